//! The data plane as clients and endpoints see it: real sockets on loopback, the split table in the tests' hands, and
//! what was measured read from the hand-over.

mod drain;
mod endpoint;
mod failing;
mod http1;
mod http2;
mod leaving;
mod rig;
mod shadowing;
mod splitting;
mod talk;
mod timeouts;
mod tls;
mod tunnels;

//! The upstream leg against real sockets on loopback.

mod choice;
mod connecting;
mod encryption;
mod http2;
mod limits;
mod reuse;
mod upgrade;

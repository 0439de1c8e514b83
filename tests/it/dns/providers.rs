//! Changes of a zone by other providers than a BIND: each against the real server, or a stand-in that is as strict.

mod cloudflare;
mod exec;
mod knot;
mod powerdns;
mod route53;

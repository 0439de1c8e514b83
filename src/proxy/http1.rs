//! HTTP/1 on the wire, for both legs: pure parsers and writers, which know bytes and no sockets but where they are
//! handed one.
//!
//! A request's head is read by [`RequestReader`], line by line and strictly: what two parsers could read differently is
//! refused before anything reaches an endpoint. A response's head is read by [`read_response`] on `httparse`. Bodies of
//! either are told from what follows by a [`BodyReader`]. What is sent goes through a [`Writer`]: head, framing and small
//! pieces of the body are gathered into one buffer, since one write costs more than copying two kilobytes.

mod body;
mod chunked;
mod date;
mod encode;
mod field;
mod request_head;
mod request_line;
mod response_head;
mod scan;
#[cfg(test)]
mod tests;
mod writer;

pub(crate) use body::{BodyFault, BodyReader, Part};
pub(crate) use date::DateLine;
pub(crate) use encode::{Framing, Persistence, write_request_head, write_response_head};
pub(crate) use request_head::{ReadRequest, RequestReader, parse_length};
pub(crate) use response_head::{HeadFault, ReadResponse, check_framing, read_response};
pub(crate) use scan::Scanned;
pub(crate) use writer::{Trailers, WriteError, Writer};

//! The names of the fields that mean something to us.

use crate::proxy::head::fields::Name;

pub(crate) const ALT_SVC: Name = Name::new("alt-svc");
pub(crate) const CONNECTION: Name = Name::new("connection");
pub(crate) const CONTENT_ENCODING: Name = Name::new("content-encoding");
pub(crate) const CONTENT_LENGTH: Name = Name::new("content-length");
pub(crate) const CONTENT_LOCATION: Name = Name::new("content-location");
pub(crate) const CONTENT_TYPE: Name = Name::new("content-type");
pub(crate) const COOKIE: Name = Name::new("cookie");
pub(crate) const DATE: Name = Name::new("date");
pub(crate) const EXPECT: Name = Name::new("expect");
pub(crate) const FORWARDED: Name = Name::new("forwarded");
pub(crate) const GRPC_STATUS: Name = Name::new("grpc-status");
pub(crate) const HOST: Name = Name::new("host");
pub(crate) const HTTP2_SETTINGS: Name = Name::new("http2-settings");
pub(crate) const IF_MATCH: Name = Name::new("if-match");
pub(crate) const IF_MODIFIED_SINCE: Name = Name::new("if-modified-since");
pub(crate) const IF_NONE_MATCH: Name = Name::new("if-none-match");
pub(crate) const IF_RANGE: Name = Name::new("if-range");
pub(crate) const IF_UNMODIFIED_SINCE: Name = Name::new("if-unmodified-since");
pub(crate) const KEEP_ALIVE: Name = Name::new("keep-alive");
#[cfg(test)]
pub(crate) const LINK: Name = Name::new("link");
pub(crate) const LOCATION: Name = Name::new("location");
pub(crate) const PROXY_CONNECTION: Name = Name::new("proxy-connection");
pub(crate) const RANGE: Name = Name::new("range");
pub(crate) const RETRY_AFTER: Name = Name::new("retry-after");
pub(crate) const SET_COOKIE: Name = Name::new("set-cookie");
pub(crate) const TE: Name = Name::new("te");
pub(crate) const TRACEPARENT: Name = Name::new("traceparent");
pub(crate) const TRACESTATE: Name = Name::new("tracestate");
pub(crate) const TRAILER: Name = Name::new("trailer");
pub(crate) const TRANSFER_ENCODING: Name = Name::new("transfer-encoding");
pub(crate) const UPGRADE: Name = Name::new("upgrade");
pub(crate) const USER_AGENT: Name = Name::new("user-agent");
pub(crate) const VIA: Name = Name::new("via");
pub(crate) const X_CHANGEOVER_SHADOW: Name = Name::new("x-changeover-shadow");
pub(crate) const X_CHANGEOVER_SIDE: Name = Name::new("x-changeover-side");
pub(crate) const X_FORWARDED_FOR: Name = Name::new("x-forwarded-for");
pub(crate) const X_FORWARDED_HOST: Name = Name::new("x-forwarded-host");
pub(crate) const X_FORWARDED_PROTO: Name = Name::new("x-forwarded-proto");
pub(crate) const X_REQUEST_ID: Name = Name::new("x-request-id");

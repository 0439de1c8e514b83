//! A request's and a response's head, as they pass from one leg to the other.

use http::{Method, Request, Response, StatusCode, Uri, Version, request, response};

use crate::proxy::head::Fields;

/// The head of a request.
#[derive(Clone, Debug)]
pub struct RequestHead {
    /// The method.
    pub method: Method,
    /// The target.
    pub uri: Uri,
    /// The version that it came in, or goes out in.
    pub version: Version,
    /// The fields.
    pub headers: Fields,
}

/// The head of a response.
#[derive(Clone, Debug)]
pub struct ResponseHead {
    /// The status.
    pub status: StatusCode,
    /// The version that it came in.
    pub version: Version,
    /// The fields.
    pub headers: Fields,
}

impl From<request::Parts> for RequestHead {
    fn from(parts: request::Parts) -> Self {
        Self {
            method: parts.method,
            uri: parts.uri,
            version: parts.version,
            headers: parts.headers.into(),
        }
    }
}

impl From<response::Parts> for ResponseHead {
    fn from(parts: response::Parts) -> Self {
        Self {
            status: parts.status,
            version: parts.version,
            headers: parts.headers.into(),
        }
    }
}

impl RequestHead {
    /// The same for hyper.
    #[must_use]
    pub fn to_parts(&self) -> request::Parts {
        let (mut parts, ()) = Request::new(()).into_parts();
        parts.method = self.method.clone();
        parts.uri = self.uri.clone();
        parts.version = self.version;
        parts.headers = self.headers.to_map();
        parts
    }
}

impl ResponseHead {
    /// The head of an answer of our own, without fields.
    #[must_use]
    pub fn new(status: StatusCode) -> Self {
        Self {
            status,
            version: Version::HTTP_11,
            headers: Fields::new(),
        }
    }

    /// The same for hyper.
    #[must_use]
    pub fn to_parts(&self) -> response::Parts {
        let (mut parts, ()) = Response::new(()).into_parts();
        parts.status = self.status;
        parts.version = self.version;
        parts.headers = self.headers.to_map();
        parts
    }
}

//! A request's and a response's head, as they pass from one leg to the other.

use http::{
    HeaderMap, Method, Request, Response, StatusCode, Uri, Version, request, response,
    uri::{self, PathAndQuery, Scheme},
};

use crate::{
    measure::Rejection,
    proxy::head::{ClientScheme, Fields},
};

/// The head of a request.
#[derive(Clone, Debug)]
pub struct RequestHead {
    /// The method.
    pub method: Method,
    /// The version that it came in, or goes out in.
    pub version: Version,
    /// The scheme, where the target names one.
    pub scheme: Option<ClientScheme>,
    /// The authority, where the target names one: in HTTP/1's absolute form, and as `:authority`.
    pub authority: Option<String>,
    /// Path and query, or `*`, as they came.
    pub target: String,
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

impl TryFrom<&request::Parts> for RequestHead {
    type Error = Rejection;

    /// # Errors
    /// When the target has no path, as CONNECT's, or a scheme that is not served.
    fn try_from(parts: &request::Parts) -> Result<Self, Rejection> {
        if parts.method == Method::CONNECT {
            return Err(Rejection::Unsupported);
        }
        let scheme = match parts.uri.scheme_str() {
            None => None,
            Some("http") => Some(ClientScheme::Http),
            Some("https") => Some(ClientScheme::Https),
            Some(_) => return Err(Rejection::Malformed),
        };
        let target = parts.uri.path_and_query().ok_or(Rejection::Malformed)?;
        Ok(Self {
            method: parts.method.clone(),
            version: parts.version,
            scheme,
            authority: parts.uri.authority().map(|it| it.as_str().to_owned()),
            target: target.as_str().to_owned(),
            headers: Fields::from(&parts.headers),
        })
    }
}

impl From<response::Parts> for ResponseHead {
    fn from(parts: response::Parts) -> Self {
        Self {
            status: parts.status,
            version: parts.version,
            headers: Fields::from(&parts.headers),
        }
    }
}

impl RequestHead {
    /// The path without the query.
    #[must_use]
    pub fn path(&self) -> &str {
        match self.target.split_once('?') {
            Some((path, _)) => path,
            None => &self.target,
        }
    }

    /// The same for hyper; `None` where the target is none to it.
    #[must_use]
    pub fn to_parts(&self) -> Option<request::Parts> {
        let (mut parts, ()) = Request::new(()).into_parts();
        let mut target = uri::Parts::default();
        target.path_and_query = Some(PathAndQuery::try_from(self.target.as_str()).ok()?);
        if let (Some(scheme), Some(authority)) = (self.scheme, &self.authority) {
            target.authority = Some(authority.parse().ok()?);
            target.scheme = Some(match scheme {
                ClientScheme::Http => Scheme::HTTP,
                ClientScheme::Https => Scheme::HTTPS,
            });
        }
        parts.method = self.method.clone();
        parts.uri = Uri::from_parts(target).ok()?;
        parts.version = self.version;
        parts.headers = self.headers.clone().into_map();
        Some(parts)
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

    /// The same for h2, its fields in the memory of `map`, of which nothing else is left.
    #[must_use]
    pub fn into_parts(self, map: HeaderMap) -> response::Parts {
        let (mut parts, ()) = Response::new(()).into_parts();
        parts.status = self.status;
        parts.version = self.version;
        parts.headers = self.headers.into_map_in(map);
        parts
    }
}

//! Errors as RFC 9457 problem documents.

use axum::{
    body::Body,
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use serde::{Deserialize, Serialize};

/// The media type of problem documents.
pub(crate) const MEDIA_TYPE: &str = "application/problem+json";

/// What kind of problem; a client tells them apart by `type`, which is `urn:changeover:problem:` and this name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// The request is malformed.
    BadRequest,
    /// No token, or one that nobody has.
    Unauthorized,
    /// The caller's role, or the peer's address, does not allow it.
    Forbidden,
    /// `Host` names somebody else.
    HostNotAllowed,
    /// A web page of another origin asks.
    OriginNotAllowed,
    /// There is no such resource.
    NotFound,
    /// The resource does not know the method.
    MethodNotAllowed,
    /// The command was understood and refused.
    Refused,
    /// The body is over its limit.
    TooLarge,
    /// The caller, or somebody at the caller's address, asks too often.
    TooManyRequests,
    /// The body is not JSON by its own word.
    UnsupportedMediaType,
    /// Too many follow already.
    TooManyFollowers,
    /// The control loop or the journal does not answer.
    Unavailable,
    /// The configuration file is wrong.
    BadConfiguration,
    /// The configuration changes what cannot change while the program runs.
    NeedsRestart,
    /// The process that should take over did not get ready.
    UpgradeFailed,
    /// A step of a set-up did not succeed, or a database could not be reached for it.
    SetUpFailed,
    /// `/readyz` says no.
    NotReady,
}

impl Kind {
    pub(crate) const fn status(self) -> StatusCode {
        match self {
            Self::BadRequest => StatusCode::BAD_REQUEST,
            Self::Unauthorized => StatusCode::UNAUTHORIZED,
            Self::Forbidden | Self::HostNotAllowed | Self::OriginNotAllowed => {
                StatusCode::FORBIDDEN
            }
            Self::NotFound => StatusCode::NOT_FOUND,
            Self::MethodNotAllowed => StatusCode::METHOD_NOT_ALLOWED,
            Self::Refused | Self::NeedsRestart => StatusCode::CONFLICT,
            Self::BadConfiguration => StatusCode::UNPROCESSABLE_ENTITY,
            Self::UpgradeFailed => StatusCode::INTERNAL_SERVER_ERROR,
            Self::SetUpFailed => StatusCode::BAD_GATEWAY,
            Self::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Self::TooManyRequests => StatusCode::TOO_MANY_REQUESTS,
            Self::UnsupportedMediaType => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Self::TooManyFollowers | Self::Unavailable | Self::NotReady => {
                StatusCode::SERVICE_UNAVAILABLE
            }
        }
    }

    const fn name(self) -> &'static str {
        match self {
            Self::BadRequest => "bad-request",
            Self::Unauthorized => "unauthorized",
            Self::Forbidden => "forbidden",
            Self::HostNotAllowed => "host-not-allowed",
            Self::OriginNotAllowed => "origin-not-allowed",
            Self::NotFound => "not-found",
            Self::MethodNotAllowed => "method-not-allowed",
            Self::Refused => "refused",
            Self::TooLarge => "too-large",
            Self::TooManyRequests => "too-many-requests",
            Self::UnsupportedMediaType => "unsupported-media-type",
            Self::TooManyFollowers => "too-many-followers",
            Self::Unavailable => "unavailable",
            Self::BadConfiguration => "bad-configuration",
            Self::NeedsRestart => "needs-restart",
            Self::UpgradeFailed => "upgrade-failed",
            Self::SetUpFailed => "set-up-failed",
            Self::NotReady => "not-ready",
        }
    }

    const fn title(self) -> &'static str {
        match self {
            Self::BadRequest => "The request is malformed",
            Self::Unauthorized => "A valid bearer token is needed",
            Self::Forbidden => "This is not allowed",
            Self::HostNotAllowed => "The host is not one of this server's",
            Self::OriginNotAllowed => "Another site's page may not call this",
            Self::NotFound => "There is no such resource",
            Self::MethodNotAllowed => "The resource does not know this method",
            Self::Refused => "The command was refused",
            Self::TooLarge => "The body is too large",
            Self::TooManyRequests => "Too many requests",
            Self::UnsupportedMediaType => "The body is not JSON",
            Self::TooManyFollowers => "Too many follow the journal already",
            Self::Unavailable => "The control loop or the journal does not answer",
            Self::BadConfiguration => "The configuration is wrong",
            Self::NeedsRestart => "The configuration needs a restart or an upgrade",
            Self::UpgradeFailed => "The process that should take over did not get ready",
            Self::SetUpFailed => "The set-up stopped",
            Self::NotReady => "Not ready",
        }
    }
}

/// An error on its way out.
#[derive(Clone, Debug)]
pub(crate) struct Problem {
    pub(crate) kind: Kind,
    pub(crate) detail: String,
}

impl Problem {
    pub(crate) fn new(kind: Kind, detail: impl Into<String>) -> Self {
        let detail = detail.into();
        Self { kind, detail }
    }
}

/// The document, as clients read it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProblemDocument {
    /// What kind, as a URN.
    #[serde(rename = "type")]
    pub kind: String,
    /// The kind in words.
    pub title: String,
    /// The HTTP status.
    pub status: u16,
    /// What was wrong this time.
    pub detail: String,
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let document = ProblemDocument {
            kind: format!("urn:changeover:problem:{}", self.kind.name()),
            title: self.kind.title().into(),
            status: self.kind.status().as_u16(),
            detail: self.detail,
        };
        let text = serde_json::to_vec(&document).expect("three strings and a number are JSON");
        let mut response = Response::new(Body::from(text));
        *response.status_mut() = self.kind.status();
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(MEDIA_TYPE));
        match self.kind {
            Kind::Unauthorized => {
                let challenge = HeaderValue::from_static("Bearer realm=\"changeover\"");
                headers.insert(header::WWW_AUTHENTICATE, challenge);
            }
            Kind::TooManyRequests | Kind::TooManyFollowers | Kind::Unavailable => {
                headers.insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
            }
            Kind::BadRequest
            | Kind::Forbidden
            | Kind::HostNotAllowed
            | Kind::OriginNotAllowed
            | Kind::NotFound
            | Kind::MethodNotAllowed
            | Kind::Refused
            | Kind::TooLarge
            | Kind::UnsupportedMediaType
            | Kind::BadConfiguration
            | Kind::NeedsRestart
            | Kind::UpgradeFailed
            | Kind::SetUpFailed
            | Kind::NotReady => {}
        }
        response
    }
}

//! Talking to the admin API.

mod address;
mod command;
mod fault;
mod stream;
mod trust;

use std::{env, time::Duration};

use serde::{Serialize, de::DeserializeOwned};
use ureq::{Agent, Body, RequestBuilder, http::Response, tls::TlsConfig};

use crate::cli::{arguments::Connect, exit::Failure};

pub(crate) use command::order;
pub(crate) use stream::Entries;

/// For the connection to the server, a name's look-up included.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// For a whole call; longer than the server takes to give up on one.
const CALL_TIMEOUT: Duration = Duration::from_secs(15);

/// A stream says something every 15 seconds; after this it is taken for dead.
const STREAM_TIMEOUT: Duration = Duration::from_secs(40);

/// The most that an answer may hold: a page of the journal is far smaller.
const ANSWER_BYTES_MAX: u64 = 16 * 1024 * 1024;

const TOKEN: &str = "CHANGEOVER_TOKEN";

/// One server.
#[derive(Clone)]
pub(crate) struct Client {
    base: String,
    authorization: Option<String>,
    calls: Agent,
    streams: Agent,
}

impl Client {
    /// For the server that the arguments and the environment name.
    pub(crate) fn new(connect: &Connect) -> Result<Self, Failure> {
        let base = address::base(&connect.admin)?;
        let tls = match base.starts_with("https:") {
            true => trust::settings(connect)?,
            false => TlsConfig::default(),
        };
        let config = || {
            Agent::config_builder()
                .http_status_as_error(false)
                .max_redirects(0)
                .max_redirects_will_error(false)
                // The server is on this machine or behind a tunnel; a proxy for the web would see the token.
                .proxy(None)
                .user_agent(concat!("changeover/", env!("CARGO_PKG_VERSION")))
                .timeout_connect(Some(CONNECT_TIMEOUT))
                .tls_config(tls.clone())
        };
        Ok(Self {
            base,
            authorization: token()?.map(|token| format!("Bearer {token}")),
            calls: config().timeout_global(Some(CALL_TIMEOUT)).build().into(),
            streams: config()
                .timeout_per_read(Some(STREAM_TIMEOUT))
                .build()
                .into(),
        })
    }

    /// Gets a document, as text and understood.
    pub(crate) fn get<T: DeserializeOwned>(&self, path: &str) -> Result<(String, T), Failure> {
        let request = self.calls.get(format!("{}{path}", self.base));
        let answer = self.with_token(request).call();
        self.understand(answer)
    }

    /// Sends a command with its body.
    pub(crate) fn send<T: DeserializeOwned>(
        &self,
        method: Method,
        path: &str,
        body: &impl Serialize,
    ) -> Result<(String, T), Failure> {
        self.send_within(method, path, body, CALL_TIMEOUT)
    }

    /// Sends a command that may take as long as this.
    pub(crate) fn send_within<T: DeserializeOwned>(
        &self,
        method: Method,
        path: &str,
        body: &impl Serialize,
        within: Duration,
    ) -> Result<(String, T), Failure> {
        let url = format!("{}{path}", self.base);
        let request = match method {
            Method::Post => self.calls.post(url),
            Method::Put => self.calls.put(url),
        };
        let request = request.config().timeout_global(Some(within)).build();
        let answer = self.with_token(request).send_json(body);
        self.understand(answer)
    }

    fn with_token<B>(&self, request: RequestBuilder<B>) -> RequestBuilder<B> {
        match &self.authorization {
            Some(value) => request.header("authorization", value),
            None => request,
        }
    }

    fn understand<T: DeserializeOwned>(
        &self,
        answer: Result<Response<Body>, ureq::Error>,
    ) -> Result<(String, T), Failure> {
        let (status, text) = self.read(answer)?;
        if !(200..300).contains(&status) {
            return Err(self.problem(status, &text));
        }
        let document = serde_json::from_str(&text).map_err(|error| self.strange(&error))?;
        Ok((text, document))
    }

    fn read(&self, answer: Result<Response<Body>, ureq::Error>) -> Result<(u16, String), Failure> {
        let mut answer = answer.map_err(|error| self.unreachable(&error))?;
        let status = answer.status().as_u16();
        let body = answer.body_mut().with_config().limit(ANSWER_BYTES_MAX);
        let text = body.read_to_string();
        Ok((status, text.map_err(|error| self.unreachable(&error))?))
    }
}

/// The methods of commands.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Method {
    Post,
    Put,
}

fn token() -> Result<Option<String>, Failure> {
    let Some(token) = env::var_os(TOKEN).filter(|it| !it.is_empty()) else {
        return Ok(None);
    };
    let token = token.into_string().ok();
    let token = token.filter(|it| it.bytes().all(|byte| byte.is_ascii_graphic()));
    let fault = || {
        let text = format!("{TOKEN} holds something other than visible ASCII characters");
        Failure::Usage(text)
    };
    token.ok_or_else(fault).map(Some)
}

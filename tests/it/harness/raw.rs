//! Clients that report what came, down to whether an answer was whole: raw HTTP/1.1, and HTTP/2.

use std::{
    io::{Read, Write},
    net::{SocketAddr, TcpStream},
    time::Duration,
};

use bytes::Bytes;
use http::{Method, Request};
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http2;
use hyper_util::rt::{TokioExecutor, TokioIo};
use rustix::net::{SendFlags, send};
use tokio::runtime::Runtime;

use super::scripted::field;

/// No answer may take longer.
const PATIENCE: Duration = Duration::from_secs(20);

/// What a client got.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Said {
    /// 0 where not even a head came.
    pub status: u16,
    /// `x-changeover-error`.
    pub error: Option<String>,
    pub body: String,
    pub end: End,
}

/// How an answer ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    Whole,
    /// Closed or reset before its end.
    BrokenOff,
}

impl Said {
    const NOTHING: Self = Self {
        status: 0,
        error: None,
        body: String::new(),
        end: End::BrokenOff,
    };
}

/// As corpora write it: `200 hi`, `502 (protocol)`, `200 hi, broken off`.
impl std::fmt::Display for Said {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}", self.status)?;
        match &self.error {
            Some(error) => write!(f, " ({error})")?,
            None if self.body.is_empty() => (),
            None => write!(f, " {}", self.body)?,
        }
        match self.end {
            End::Whole => Ok(()),
            End::BrokenOff => write!(f, ", broken off"),
        }
    }
}

/// A raw HTTP/1.1 connection.
pub struct Raw {
    stream: TcpStream,
    ahead: Vec<u8>,
}

impl Raw {
    pub fn to(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).expect("the proxy listens");
        stream.set_nodelay(true).expect("it is open");
        stream.set_read_timeout(Some(PATIENCE)).expect("it is open");
        Self {
            stream,
            ahead: Vec::new(),
        }
    }

    pub fn say(&mut self, what: impl AsRef<[u8]>) {
        let _ = self.stream.write_all(what.as_ref());
    }

    /// Says bytes until nobody takes more of them for a moment; how many were taken.
    pub fn say_until_full(&self) -> usize {
        let moment = Some(Duration::from_millis(100));
        self.stream.set_write_timeout(moment).expect("it is open");
        let bytes = [b'x'; 64 << 10];
        let mut taken = 0;
        while let Ok(count) = send(&self.stream, &bytes, SendFlags::NOSIGNAL) {
            taken += count;
        }
        self.stream.set_write_timeout(None).expect("it is open");
        taken
    }

    /// One request without a body, and its answer.
    pub fn ask(&mut self, method: &str, target: &str) -> Said {
        self.say(format!("{method} {target} HTTP/1.1\r\nHost: a\r\n\r\n"));
        self.answer(method)
    }

    /// One POST with a body, and its answer.
    pub fn post(&mut self, target: &str, fields: &str, body: &str) -> Said {
        let length = body.len();
        self.say(format!(
            "POST {target} HTTP/1.1\r\nHost: a\r\n{fields}Content-Length: {length}\r\n\r\n{body}"
        ));
        self.answer("POST")
    }

    /// The next answer, which is to a request with `method`; interim ones are skipped.
    pub fn answer(&mut self, method: &str) -> Said {
        let (head, status) = loop {
            let Some(head) = self.until("\r\n\r\n") else {
                return Said::NOTHING;
            };
            let status = head.split(' ').nth(1).and_then(|it| it.parse().ok());
            let status: u16 = status.expect("the proxy speaks HTTP");
            if status == 101 || status >= 200 {
                break (head, status);
            }
        };
        let (body, end) = self.body(method, status, &head);
        Said {
            status,
            error: field(&head, "x-changeover-error").map(str::to_owned),
            body: String::from_utf8_lossy(&body).into_owned(),
            end,
        }
    }

    /// So many bytes, or fewer where the proxy closes the connection.
    pub fn bytes(&mut self, count: usize) -> Vec<u8> {
        self.exactly(count).0
    }

    /// Everything until the proxy closes the connection.
    pub fn rest(&mut self) -> Vec<u8> {
        let mut rest = std::mem::take(&mut self.ahead);
        // A reset ends it as well.
        let _ = self.stream.read_to_end(&mut rest);
        rest
    }

    fn body(&mut self, method: &str, status: u16, head: &str) -> (Vec<u8>, End) {
        if method == "HEAD" || matches!(status, 101 | 204 | 304) {
            return (Vec::new(), End::Whole);
        }
        if field(head, "transfer-encoding").is_some() {
            return self.chunks();
        }
        match field(head, "content-length") {
            Some(length) => self.exactly(length.parse().expect("a length")),
            None => (self.rest(), End::Whole),
        }
    }

    fn chunks(&mut self) -> (Vec<u8>, End) {
        let mut body = Vec::new();
        while let Some(line) = self.until("\r\n") {
            let size = usize::from_str_radix(line.trim(), 16).expect("a chunk's size");
            let (chunk, end) = self.exactly(size);
            body.extend(chunk);
            if end == End::BrokenOff || self.until("\r\n").is_none() {
                return (body, End::BrokenOff);
            }
            if size == 0 {
                return (body, End::Whole);
            }
        }
        (body, End::BrokenOff)
    }

    fn exactly(&mut self, count: usize) -> (Vec<u8>, End) {
        while self.ahead.len() < count {
            if self.more() == 0 {
                return (std::mem::take(&mut self.ahead), End::BrokenOff);
            }
        }
        (self.ahead.drain(..count).collect(), End::Whole)
    }

    fn until(&mut self, end: &str) -> Option<String> {
        loop {
            let found = self
                .ahead
                .windows(end.len())
                .position(|it| it == end.as_bytes());
            if let Some(at) = found {
                let text: Vec<u8> = self.ahead.drain(..at + end.len()).collect();
                return Some(String::from_utf8_lossy(&text).into_owned());
            }
            if self.more() == 0 {
                return None;
            }
        }
    }

    fn more(&mut self) -> usize {
        let mut space = [0; 16 << 10];
        let count = self.stream.read(&mut space).unwrap_or(0);
        self.ahead.extend_from_slice(&space[..count]);
        count
    }
}

/// An HTTP/2 connection with prior knowledge.
pub struct H2 {
    runtime: Runtime,
    sender: http2::SendRequest<Full<Bytes>>,
    address: SocketAddr,
}

impl H2 {
    pub fn to(address: SocketAddr) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .expect("a runtime");
        let sender = runtime.block_on(async {
            let stream = tokio::net::TcpStream::connect(address).await;
            let io = TokioIo::new(stream.expect("the proxy listens"));
            let (sender, connection) = http2::handshake(TokioExecutor::new(), io)
                .await
                .expect("it speaks HTTP/2");
            tokio::spawn(connection);
            sender
        });
        Self {
            runtime,
            sender,
            address,
        }
    }

    /// One request without a body, and its answer.
    pub fn ask(&mut self, method: &str, target: &str) -> Said {
        let request = Request::builder()
            .method(Method::from_bytes(method.as_bytes()).expect("a method"))
            .uri(format!("http://{}{target}", self.address))
            .body(Full::default())
            .expect("a request");
        let sender = &mut self.sender;
        let exchange = async {
            let Ok(response) = sender.send_request(request).await else {
                return Said::NOTHING;
            };
            let (head, mut incoming) = response.into_parts();
            let error = head.headers.get("x-changeover-error");
            let mut body = Vec::new();
            let mut end = End::Whole;
            while let Some(frame) = incoming.frame().await {
                match frame {
                    Ok(frame) => body.extend_from_slice(frame.data_ref().unwrap_or(&Bytes::new())),
                    Err(_) => {
                        end = End::BrokenOff;
                        break;
                    }
                }
            }
            Said {
                status: head.status.as_u16(),
                error: error.map(|it| it.to_str().expect("it is ASCII").to_owned()),
                body: String::from_utf8_lossy(&body).into_owned(),
                end,
            }
        };
        self.runtime
            .block_on(async { tokio::time::timeout(PATIENCE, exchange).await })
            .expect("an answer or its end")
    }
}

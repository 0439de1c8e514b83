//! A client that says exactly what it is told, also what no decent client would.

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use super::World;

/// A whole response.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) head: String,
    pub(super) body: String,
}

impl Answer {
    pub(super) fn json(&self) -> serde_json::Value {
        let parsed = serde_json::from_str(&self.body);
        parsed.unwrap_or_else(|error| panic!("{error} in {self:?}"))
    }

    /// The problem's kind and detail; panics if it is none.
    pub(super) fn problem(&self) -> (String, String) {
        assert!(
            self.head
                .contains("content-type: application/problem+json\r\n"),
            "{self:?}"
        );
        let document: crate::admin::ProblemDocument = serde_json::from_str(&self.body).unwrap();
        assert_eq!(document.status, self.status, "{self:?}");
        let kind = document.kind.strip_prefix("urn:changeover:problem:");
        (kind.unwrap().into(), document.detail)
    }
}

impl World {
    /// Sends a request with these header lines and an optional JSON body; reads the answer to its end.
    pub(super) async fn ask(&self, line: &str, headers: &[&str], body: Option<&str>) -> Answer {
        let mut all = vec!["Host: localhost", "Connection: close"];
        let length = format!("Content-Length: {}", body.map_or(0, str::len));
        if body.is_some() {
            all.extend(["Content-Type: application/json", &length]);
        }
        all.extend(headers);
        self.send(line, &all, body.unwrap_or_default()).await
    }

    /// The same, as the owner of a token.
    pub(super) async fn ask_as(&self, name: &str, line: &str, body: Option<&str>) -> Answer {
        let token = format!("Authorization: Bearer {name}-token");
        self.ask(line, &[&token], body).await
    }

    /// Sends a request with nothing added.
    pub(super) async fn send(&self, line: &str, headers: &[&str], body: &str) -> Answer {
        let mut stream = self.open(line, headers, body).await;
        let mut bytes = Vec::new();
        stream.read_to_end(&mut bytes).await.unwrap();
        let text = String::from_utf8(bytes).unwrap();
        let (head, body) = text.split_once("\r\n\r\n").unwrap();
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        Answer {
            status,
            head: format!("{}\r\n", head.to_ascii_lowercase()),
            body: body.into(),
        }
    }

    /// Sends a request and leaves the reading to the caller.
    pub(super) async fn open(&self, line: &str, headers: &[&str], body: &str) -> TcpStream {
        let mut stream = TcpStream::connect(self.address).await.unwrap();
        let request = format!("{line} HTTP/1.1\r\n{}\r\n\r\n{body}", headers.join("\r\n"));
        stream.write_all(request.as_bytes()).await.unwrap();
        stream
    }
}

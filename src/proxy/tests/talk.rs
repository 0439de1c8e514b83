//! A client that writes and reads raw bytes.

use std::net::SocketAddr;

use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};

use crate::proxy::tests::rig::PATIENCE;

/// One raw connection.
pub(super) struct Talk<IO> {
    io: IO,
    read: Vec<u8>,
}

/// One response, read to its end.
#[derive(Debug)]
pub(super) struct Said {
    pub(super) head: String,
    pub(super) body: String,
}

impl Talk<TcpStream> {
    pub(super) async fn to(address: SocketAddr) -> Self {
        Self::over(TcpStream::connect(address).await.unwrap())
    }
}

impl<IO: AsyncRead + AsyncWrite + Unpin> Talk<IO> {
    pub(super) const fn over(io: IO) -> Self {
        Self {
            io,
            read: Vec::new(),
        }
    }

    pub(super) async fn say(&mut self, text: &str) {
        self.io.write_all(text.as_bytes()).await.unwrap();
    }

    /// Asks for `path` with GET.
    pub(super) async fn get(&mut self, path: &str) -> Said {
        self.say(&format!("GET {path} HTTP/1.1\r\nHost: a.test\r\n\r\n"))
            .await;
        self.response().await
    }

    /// Everything up to and with `end`.
    pub(super) async fn until(&mut self, end: &str) -> String {
        loop {
            let found = self
                .read
                .windows(end.len())
                .position(|it| it == end.as_bytes());
            if let Some(at) = found {
                let rest = self.read.split_off(at + end.len());
                let said = std::mem::replace(&mut self.read, rest);
                return String::from_utf8(said).unwrap();
            }
            let count = self.more().await;
            assert_ne!(count, 0, "closed before {end:?}: {}", self.seen());
        }
    }

    /// A response that says how long it is, or is chunked.
    pub(super) async fn response(&mut self) -> Said {
        let head = self.until("\r\n\r\n").await.to_ascii_lowercase();
        let length = head
            .lines()
            .find_map(|line| line.strip_prefix("content-length: "));
        let body = match length {
            Some(length) => {
                let length = length.parse().unwrap();
                while self.read.len() < length {
                    assert_ne!(
                        self.more().await,
                        0,
                        "closed within a body: {}",
                        self.seen()
                    );
                }
                let rest = self.read.split_off(length);
                String::from_utf8(std::mem::replace(&mut self.read, rest)).unwrap()
            }
            None if head.contains("transfer-encoding: chunked") => self.until("0\r\n\r\n").await,
            None => String::new(),
        };
        Said { head, body }
    }

    /// Exactly so many bytes.
    pub(super) async fn exactly(&mut self, length: usize) -> String {
        while self.read.len() < length {
            assert_ne!(self.more().await, 0, "closed within {length} bytes");
        }
        let rest = self.read.split_off(length);
        String::from_utf8(std::mem::replace(&mut self.read, rest)).unwrap()
    }

    /// Everything until the other end closes or breaks off.
    pub(super) async fn rest(&mut self) -> String {
        while self.more().await > 0 {}
        self.seen()
    }

    pub(super) fn into_inner(self) -> IO {
        self.io
    }

    fn seen(&self) -> String {
        String::from_utf8_lossy(&self.read).into_owned()
    }

    /// Reads more; a broken connection is as good as a closed one here.
    async fn more(&mut self) -> usize {
        let read = timeout(PATIENCE, self.io.read_buf(&mut self.read)).await;
        read.expect("the other end says or closes something in time")
            .unwrap_or(0)
    }
}

impl Said {
    pub(super) fn status(&self) -> u16 {
        let status = self.head.split(' ').nth(1);
        status.and_then(|it| it.parse().ok()).unwrap()
    }

    pub(super) fn header(&self, name: &str) -> Option<&str> {
        let mut lines = self.head.lines().filter_map(|line| line.split_once(": "));
        lines.find(|(it, _)| *it == name).map(|(_, value)| value)
    }
}

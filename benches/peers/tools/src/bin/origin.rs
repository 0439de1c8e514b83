//! A back end that costs next to nothing: one thread, HTTP/1.1, answers prepared in advance.
//!
//! | request | answer |
//! |---|---|
//! | `GET /` and anything else | a few bytes |
//! | `GET /bytes/N` | N bytes with `Content-Length` |
//! | `GET /chunked/N` | N bytes in chunks of 16 KiB |
//! | any request with a body | how long the body was, in digits |
//! | `GET /head` | the request head as it arrived |
//! | `GET /counters` | [`Counters`] as JSON, themselves not counted |
//!
//! Every answer names the origin in `x-origin`. It prints its port when it listens, and serves until it is killed.

use std::{cell::RefCell, collections::HashMap, io::Write as _, net::Ipv4Addr, rc::Rc};

use anyhow::{Context as _, Result, ensure};
use clap::Parser;
use peers_tools::{
    counters::Counters,
    request::{self, Head},
};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    task::{JoinSet, LocalSet},
};

/// Read at once; large, so that an upload costs the origin little.
const READ_BYTES: usize = 256 << 10;
const CHUNK_BYTES: usize = 16 << 10;
/// The largest body that is asked for, and how many different ones are kept.
const BODY_BYTES: usize = 64 << 20;
const PREPARED: usize = 64;
const HEAD_BYTES: usize = 64 << 10;

#[derive(Parser)]
struct Arguments {
    /// On how many addresses, from 127.0.0.1 on, all with one port
    #[arg(long, default_value_t = 1)]
    addresses: u8,
    /// What `x-origin` says
    #[arg(long)]
    name: String,
}

struct Origin {
    name: String,
    counters: Counters,
    prepared: RefCell<HashMap<String, Rc<Prepared>>>,
}

/// An answer as it is sent.
struct Prepared {
    text: Vec<u8>,
    content: u64,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<()> {
    let arguments = Arguments::parse();
    let first = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
    let port = first.local_addr()?.port();
    let mut listeners = vec![first];
    for last in 2..=arguments.addresses {
        listeners.push(TcpListener::bind((Ipv4Addr::new(127, 0, 0, last), port)).await?);
    }
    writeln!(std::io::stdout(), "{port}")?;
    let origin = Rc::new(Origin {
        name: arguments.name,
        counters: Counters::default(),
        prepared: RefCell::default(),
    });
    LocalSet::new()
        .run_until(async move {
            let mut accepting = JoinSet::new();
            for listener in listeners {
                accepting.spawn_local(accept(listener, Rc::clone(&origin)));
            }
            // None of them ends but by a failure.
            accepting.join_next().await.context("no listener")??
        })
        .await
}

async fn accept(listener: TcpListener, origin: Rc<Origin>) -> Result<()> {
    loop {
        let (stream, _) = listener.accept().await?;
        stream.set_nodelay(true)?;
        let origin = Rc::clone(&origin);
        tokio::task::spawn_local(async move {
            // A connection that a proxy resets is no news.
            drop(origin.serve(stream).await);
        });
    }
}

impl Origin {
    async fn serve(&self, mut stream: TcpStream) -> Result<()> {
        let (mut buffer, mut is_counted) = (Vec::with_capacity(4 << 10), false);
        while let Some(head) = read_head(&mut stream, &mut buffer).await? {
            let target = str::from_utf8(&buffer[head.target.clone()])?.to_owned();
            if target == "/counters" {
                let text = self.prepare("application/json", self.counters.json().as_bytes());
                stream.write_all(&text.text).await?;
                buffer.drain(..head.length);
                continue;
            }
            if !is_counted {
                is_counted = true;
                Counters::add(&self.counters.connections, 1);
            }
            let (is_last, is_copy) = (head.is_last, head.is_copy);
            let answer = self.answer(&mut stream, &mut buffer, head, target).await?;
            stream.write_all(&answer.text).await?;
            Counters::add(&self.counters.bytes_out, answer.content);
            Counters::add(&self.counters.requests, u64::from(!is_copy));
            if is_last {
                break;
            }
        }
        Ok(())
    }

    async fn answer(
        &self,
        stream: &mut TcpStream,
        buffer: &mut Vec<u8>,
        head: Head,
        target: String,
    ) -> Result<Rc<Prepared>> {
        let text: Vec<u8> = buffer.drain(..head.length).collect();
        let received = self.read_body(stream, buffer, head).await?;
        if received > 0 {
            return Ok(Rc::new(
                self.prepare("text/plain", received.to_string().as_bytes()),
            ));
        }
        if target == "/head" {
            return Ok(Rc::new(self.prepare("text/plain", &text)));
        }
        if let Some(prepared) = self.prepared.borrow().get(&target) {
            return Ok(Rc::clone(prepared));
        }
        let prepared = Rc::new(if let Some(count) = target.strip_prefix("/bytes/") {
            self.prepare("application/octet-stream", &body(count)?)
        } else if let Some(count) = target.strip_prefix("/chunked/") {
            self.prepare_chunked(&body(count)?)
        } else {
            self.prepare("text/plain", b"hello, visitor\n")
        });
        let mut kept = self.prepared.borrow_mut();
        if kept.len() < PREPARED {
            kept.insert(target, Rc::clone(&prepared));
        }
        Ok(prepared)
    }

    /// Reads the body and throws it away; its length.
    async fn read_body(
        &self,
        stream: &mut TcpStream,
        buffer: &mut Vec<u8>,
        head: Head,
    ) -> Result<u64> {
        let (mut framing, mut received) = (head.body, 0);
        loop {
            let progress = framing.step(buffer)?;
            buffer.drain(..progress.taken);
            received += progress.content;
            Counters::add(&self.counters.bytes_in, progress.content);
            if progress.is_complete {
                return Ok(received);
            }
            buffer.reserve(READ_BYTES);
            ensure!(stream.read_buf(buffer).await? > 0, "the body was cut off");
        }
    }

    fn prepare(&self, kind: &str, content: &[u8]) -> Prepared {
        let mut text = self.head(kind);
        text.extend(format!("content-length: {}\r\n\r\n", content.len()).bytes());
        text.extend(content);
        Prepared {
            text,
            content: content.len() as u64,
        }
    }

    fn prepare_chunked(&self, content: &[u8]) -> Prepared {
        let mut text = self.head("application/octet-stream");
        text.extend(b"transfer-encoding: chunked\r\n\r\n");
        for chunk in content.chunks(CHUNK_BYTES) {
            text.extend(format!("{:x}\r\n", chunk.len()).bytes());
            text.extend(chunk);
            text.extend(b"\r\n");
        }
        text.extend(b"0\r\n\r\n");
        Prepared {
            text,
            content: content.len() as u64,
        }
    }

    fn head(&self, kind: &str) -> Vec<u8> {
        format!(
            "HTTP/1.1 200 OK\r\ncontent-type: {kind}\r\nx-origin: {}\r\n",
            self.name
        )
        .into_bytes()
    }
}

/// The next head, at the front of the buffer; `None` once the peer has closed.
async fn read_head(stream: &mut TcpStream, buffer: &mut Vec<u8>) -> Result<Option<Head>> {
    loop {
        if let Some(head) = request::parse(buffer)? {
            return Ok(Some(head));
        }
        ensure!(buffer.len() < HEAD_BYTES, "a head of {HEAD_BYTES} bytes");
        buffer.reserve(4 << 10);
        if stream.read_buf(buffer).await? == 0 {
            return Ok(None);
        }
    }
}

fn body(count: &str) -> Result<Vec<u8>> {
    let count: usize = count.parse()?;
    ensure!(
        count <= BODY_BYTES,
        "a body of more than {BODY_BYTES} bytes"
    );
    Ok((0..count).map(|at| b"changeover"[at % 10]).collect())
}

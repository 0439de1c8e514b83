//! HTTP/2 by hand, frame by frame, for what no library would send.

use std::{
    io::{self, Read, Write},
    net::{Shutdown, SocketAddr, TcpStream},
    time::Duration,
};

pub const DATA: u8 = 0;
pub const HEADERS: u8 = 1;
pub const PRIORITY: u8 = 2;
pub const RST_STREAM: u8 = 3;
pub const SETTINGS: u8 = 4;
pub const PING: u8 = 6;
pub const GOAWAY: u8 = 7;
pub const WINDOW_UPDATE: u8 = 8;
pub const CONTINUATION: u8 = 9;

pub const ACK: u8 = 1;
pub const END_STREAM: u8 = 1;
pub const END_HEADERS: u8 = 4;

pub const ENHANCE_YOUR_CALM: u32 = 11;

const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// How long a frame may take to come.
const PATIENCE: Duration = Duration::from_secs(10);

/// One connection.
pub struct Connection {
    stream: TcpStream,
}

/// One frame.
#[derive(Debug)]
pub struct Frame {
    pub kind: u8,
    pub flags: u8,
    pub stream: u32,
    pub payload: Vec<u8>,
}

/// What came of a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    /// A response with this status.
    Status(u16),
    /// RST_STREAM with this code.
    Reset(u32),
    /// GOAWAY with this code.
    GoAway(u32),
    /// The connection closed without a word.
    Closed,
}

impl Connection {
    /// Connects and says the preface with these settings.
    pub fn to(address: SocketAddr, settings: &[(u16, u32)]) -> Self {
        let stream = TcpStream::connect(address).expect("the proxy listens");
        stream.set_nodelay(true).expect("it is connected");
        stream
            .set_read_timeout(Some(PATIENCE))
            .expect("a time-out is valid");
        let mut connection = Self { stream };
        let mut bytes = PREFACE.to_vec();
        let mut payload = Vec::new();
        for (name, value) in settings {
            payload.extend_from_slice(&name.to_be_bytes());
            payload.extend_from_slice(&value.to_be_bytes());
        }
        put(SETTINGS, 0, 0, &payload, &mut bytes);
        connection.send(&bytes).expect("it is connected");
        connection
    }

    /// Sends bytes as they are.
    pub fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.stream.write_all(bytes)
    }

    /// Sends one frame.
    pub fn frame(&mut self, kind: u8, flags: u8, stream: u32, payload: &[u8]) -> io::Result<()> {
        let mut bytes = Vec::new();
        put(kind, flags, stream, payload, &mut bytes);
        self.send(&bytes)
    }

    /// Sends a GET for `path`.
    pub fn get(&mut self, stream: u32, path: &str) -> io::Result<()> {
        self.frame(HEADERS, END_STREAM | END_HEADERS, stream, &get(path))
    }

    /// The next frame; `None` once the connection is closed.
    pub fn read(&mut self) -> Option<Frame> {
        let mut head = [0; 9];
        self.stream.read_exact(&mut head).ok()?;
        let length = u32::from_be_bytes([0, head[0], head[1], head[2]]);
        let stream = u32::from_be_bytes([head[5], head[6], head[7], head[8]]);
        let mut payload = vec![0; usize::try_from(length).expect("24 bits")];
        self.stream.read_exact(&mut payload).ok()?;
        Some(Frame {
            kind: head[3],
            flags: head[4],
            stream: stream & 0x7FFF_FFFF,
            payload,
        })
    }

    /// Reads until something has come of `stream`; 0 stands for the connection.
    pub fn answer(&mut self, stream: u32) -> Answer {
        while let Some(frame) = self.read() {
            match frame.kind {
                SETTINGS if frame.flags & ACK == 0 => {
                    // The connection may be closed already; then reading tells.
                    let _ = self.frame(SETTINGS, ACK, 0, &[]);
                }
                HEADERS if frame.stream == stream => return Answer::Status(status(&frame.payload)),
                RST_STREAM if frame.stream == stream => return Answer::Reset(code(&frame.payload)),
                GOAWAY => return Answer::GoAway(code(&frame.payload[4..])),
                _ => (),
            }
        }
        Answer::Closed
    }

    /// Closes the sending side.
    pub fn close_write(&self) {
        // It may be closed by the other end already.
        let _ = self.stream.shutdown(Shutdown::Write);
    }
}

/// Writes one frame.
pub fn put(kind: u8, flags: u8, stream: u32, payload: &[u8], out: &mut Vec<u8>) {
    let length = u32::try_from(payload.len()).expect("a frame is small");
    out.extend_from_slice(&length.to_be_bytes()[1..]);
    out.extend_from_slice(&[kind, flags]);
    out.extend_from_slice(&stream.to_be_bytes());
    out.extend_from_slice(payload);
}

/// The header block of a GET.
pub fn get(path: &str) -> Vec<u8> {
    let fields = [
        (":method", "GET"),
        (":scheme", "http"),
        (":authority", "a.test"),
        (":path", path),
    ];
    block(fields.map(|(name, value)| (name.as_bytes(), value.as_bytes())))
}

/// A header block, every field spelled out and added to no table (RFC 7541 section 6.2.2).
pub fn block<'a>(fields: impl IntoIterator<Item = (&'a [u8], &'a [u8])>) -> Vec<u8> {
    let mut out = Vec::new();
    for (name, value) in fields {
        out.push(0);
        for text in [name, value] {
            put_length(text.len(), &mut out);
            out.extend_from_slice(text);
        }
    }
    out
}

/// RFC 7541 section 5.1, with a prefix of seven bits.
fn put_length(length: usize, out: &mut Vec<u8>) {
    if length < 127 {
        out.push(u8::try_from(length).expect("it is below 127"));
        return;
    }
    out.push(127);
    let mut rest = length - 127;
    while rest >= 128 {
        out.push(u8::try_from(rest % 128).expect("it is below 128") | 128);
        rest /= 128;
    }
    out.push(u8::try_from(rest).expect("it is below 128"));
}

fn code(payload: &[u8]) -> u32 {
    let bytes = payload.get(..4).and_then(|it| it.try_into().ok());
    u32::from_be_bytes(bytes.expect("it carries a code"))
}

/// The status that a response's header block begins with; 0 where it refers to an earlier one.
fn status(block: &[u8]) -> u16 {
    let block = &block[block.iter().take_while(|it| **it & 0xE0 == 0x20).count()..];
    match block[0] {
        0x88 => 200,
        0x89 => 204,
        0x8A => 206,
        0x8B => 304,
        0x8C => 400,
        0x8D => 404,
        0x8E => 500,
        0x08 | 0x18 | 0x48 => {
            let length = usize::from(block[1] & 0x7F);
            let text = &block[2..2 + length];
            if block[1] & 0x80 == 0 {
                return String::from_utf8_lossy(text).parse().expect("a status");
            }
            digits(text)
        }
        _ => 0,
    }
}

/// Three digits in Huffman's code: 0 to 2 have five bits, the others six (RFC 7541 appendix B).
fn digits(text: &[u8]) -> u16 {
    let bits: Vec<u16> = text
        .iter()
        .flat_map(|byte| (0..8).rev().map(move |at| u16::from(byte >> at & 1)))
        .collect();
    let mut rest = &bits[..];
    let mut number = 0;
    for _ in 0..3 {
        let five = rest[..5].iter().fold(0, |sum, bit| sum * 2 + bit);
        let digit = if five <= 2 {
            rest = &rest[5..];
            five
        } else {
            let six = five * 2 + rest[5];
            rest = &rest[6..];
            six - 0b01_1001 + 3
        };
        number = number * 10 + digit;
    }
    number
}

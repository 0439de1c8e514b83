//! The framing of a chunked body (RFC 9112 section 7.1), up to the trailer section.
//!
//! ```text
//! Size ──digits──► Extension ──CR──► SizeEnd ──LF, n > 0──► Data ──n bytes──► DataCr ──► DataLf ──► Size
//!                                       └──LF, n = 0──► the trailer section
//! ```

use bytes::{Buf, Bytes, BytesMut};

use super::body::{BodyFault, Sender};

/// Bytes of all chunk extensions of one body. Nothing is known to need them; without a limit they are a way to send
/// much and deliver little.
const EXTENSION_BYTES: usize = 4096;

/// Hexadecimal digits of a chunk's size; enough for any length, too few to overflow.
const SIZE_DIGITS: u32 = 15;

/// Where a chunked body stands.
#[derive(Clone, Debug)]
pub(super) struct Chunks {
    sender: Sender,
    state: State,
    extension_bytes: usize,
}

#[derive(Clone, Copy, Debug)]
enum State {
    Size { size: u64, digits: u32 },
    Extension { size: u64 },
    SizeEnd { size: u64 },
    Data { left: u64 },
    DataCr,
    DataLf,
}

/// What the bytes so far come to.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Chunk {
    /// A part of the body.
    Data(Bytes),
    /// All bytes are used up, and more are to come.
    More,
    /// The last chunk is over: the trailer section follows.
    Last,
}

impl Chunks {
    /// Before the first chunk.
    pub(super) const fn new(sender: Sender) -> Self {
        Self {
            sender,
            state: State::Size { size: 0, digits: 0 },
            extension_bytes: 0,
        }
    }

    /// Takes the next part from the front of `bytes`.
    pub(super) fn read(&mut self, bytes: &mut BytesMut) -> Result<Chunk, BodyFault> {
        let mut at = 0;
        loop {
            if let State::Data { left } = self.state {
                bytes.advance(at);
                return Ok(self.take(bytes, left));
            }
            let Some(byte) = bytes.get(at) else {
                bytes.clear();
                return Ok(Chunk::More);
            };
            at += 1;
            if let (State::SizeEnd { size: 0 }, b'\n') = (self.state, byte) {
                bytes.advance(at);
                return Ok(Chunk::Last);
            }
            self.state = self.step(*byte).ok_or(BodyFault)?;
        }
    }

    /// Whether `bytes`, which come next, keep to the framing as far as they go. What follows the last chunk is returned.
    pub(super) fn foresee<'a>(&self, mut bytes: &'a [u8]) -> Result<Option<&'a [u8]>, BodyFault> {
        let mut ahead = self.clone();
        loop {
            if let State::Data { left } = ahead.state {
                let left = usize::try_from(left).unwrap_or(usize::MAX);
                let Some(rest) = bytes.get(left..) else {
                    return Ok(None);
                };
                bytes = rest;
                ahead.state = State::DataCr;
            }
            let Some((byte, rest)) = bytes.split_first() else {
                return Ok(None);
            };
            bytes = rest;
            if let (State::SizeEnd { size: 0 }, b'\n') = (ahead.state, byte) {
                return Ok(Some(bytes));
            }
            ahead.state = ahead.step(*byte).ok_or(BodyFault)?;
        }
    }

    /// Takes as much of a chunk of which `left` bytes are to come as there is.
    fn take(&mut self, bytes: &mut BytesMut, left: u64) -> Chunk {
        if bytes.is_empty() {
            return Chunk::More;
        }
        let here = usize::try_from(left).map_or(bytes.len(), |it| it.min(bytes.len()));
        // At most `left` is taken, so the difference cannot be negative.
        let left = left.saturating_sub(u64::try_from(here).unwrap_or(u64::MAX));
        self.state = match left {
            0 => State::DataCr,
            left => State::Data { left },
        };
        Chunk::Data(bytes.split_to(here).freeze())
    }

    /// The state after one byte of framing; `None` where that is not allowed.
    fn step(&mut self, byte: u8) -> Option<State> {
        match (self.state, byte) {
            (State::Size { size, digits }, byte) => size_step(size, digits, byte, self.sender),
            (State::Extension { size }, b'\r') => Some(State::SizeEnd { size }),
            (State::Extension { size }, byte) => {
                self.extension_bytes += 1;
                let is_text = !byte.is_ascii_control() || byte == b'\t';
                (is_text && self.extension_bytes <= EXTENSION_BYTES)
                    .then_some(State::Extension { size })
            }
            (State::SizeEnd { size }, b'\n') => Some(State::Data { left: size }),
            (State::DataCr, b'\r') => Some(State::DataLf),
            (State::DataLf, b'\n') => Some(State::Size { size: 0, digits: 0 }),
            (State::SizeEnd { .. } | State::Data { .. } | State::DataCr | State::DataLf, _) => None,
        }
    }
}

/// One byte of a chunk's size. White space after it is refused from clients although RFC 9112 lets it be read, since
/// servers differ in what they make of it; from endpoints it is read, since some are known to pad.
fn size_step(size: u64, digits: u32, byte: u8, sender: Sender) -> Option<State> {
    match (char::from(byte).to_digit(16), byte) {
        (Some(digit), _) if digits < SIZE_DIGITS => Some(State::Size {
            size: size * 16 + u64::from(digit),
            digits: digits + 1,
        }),
        (None, b'\r') if digits > 0 => Some(State::SizeEnd { size }),
        (None, b';') if digits > 0 => Some(State::Extension { size }),
        (None, b' ' | b'\t') if digits > 0 && sender == Sender::Endpoint => {
            Some(State::Extension { size })
        }
        _ => None,
    }
}

//! The framing of a chunked body (RFC 9112 section 7.1), up to the trailer section.
//!
//! ```text
//! Size ──digits──► Extension ──CR──► SizeEnd ──LF, n > 0──► Data ──n bytes──► DataCr ──► DataLf ──► Size
//!                                       └──LF, n = 0──► the trailer section
//! ```

/// Bytes of all chunk extensions of one body. Nothing is known to need them; without a limit they are a way to send
/// much and deliver little.
const EXTENSION_BYTES: usize = 4096;

/// Hexadecimal digits of a chunk's size; enough for any length, too few to overflow.
const SIZE_DIGITS: u32 = 15;

/// Where a chunked body stands.
#[derive(Clone, Debug)]
pub(super) struct Chunks {
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

/// What the bytes so far come to. The count is of bytes that are in order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Chunked {
    /// All of them; more are to come.
    More,
    /// So many, and the last chunk is over: the trailer section follows.
    Last(usize),
    /// So many, and the next one is not allowed.
    Fault(usize),
}

impl Chunks {
    /// Before the first chunk.
    pub(super) const fn new() -> Self {
        Self {
            state: State::Size { size: 0, digits: 0 },
            extension_bytes: 0,
        }
    }

    /// Reads on.
    pub(super) fn advance(&mut self, bytes: &[u8]) -> Chunked {
        let mut at = 0;
        while let Some(byte) = bytes.get(at) {
            let next = match (self.state, byte) {
                (State::Data { left }, _) => {
                    let here = bytes.len() - at;
                    let taken = usize::try_from(left).map_or(here, |left| left.min(here));
                    at += taken;
                    // At most `left` was taken, so the difference cannot be negative.
                    let left = left.saturating_sub(u64::try_from(taken).unwrap_or(u64::MAX));
                    self.state = match left {
                        0 => State::DataCr,
                        left => State::Data { left },
                    };
                    continue;
                }
                (State::Size { size, digits }, byte) => size_step(size, digits, *byte),
                (State::Extension { size }, b'\r') => Some(State::SizeEnd { size }),
                (State::Extension { size }, byte) => {
                    self.extension_bytes += 1;
                    let is_text = !byte.is_ascii_control() || *byte == b'\t';
                    (is_text && self.extension_bytes <= EXTENSION_BYTES)
                        .then_some(State::Extension { size })
                }
                (State::SizeEnd { size: 0 }, b'\n') => return Chunked::Last(at + 1),
                (State::SizeEnd { size }, b'\n') => Some(State::Data { left: size }),
                (State::DataCr, b'\r') => Some(State::DataLf),
                (State::DataLf, b'\n') => Some(State::Size { size: 0, digits: 0 }),
                (State::SizeEnd { .. } | State::DataCr | State::DataLf, _) => None,
            };
            let Some(next) = next else {
                return Chunked::Fault(at);
            };
            self.state = next;
            at += 1;
        }
        Chunked::More
    }
}

/// One byte of a chunk's size. White space before an extension is refused although RFC 9112 lets it be read: servers
/// differ in what they make of it.
fn size_step(size: u64, digits: u32, byte: u8) -> Option<State> {
    match (char::from(byte).to_digit(16), byte) {
        (Some(digit), _) if digits < SIZE_DIGITS => Some(State::Size {
            size: size * 16 + u64::from(digit),
            digits: digits + 1,
        }),
        (None, b'\r') if digits > 0 => Some(State::SizeEnd { size }),
        (None, b';') if digits > 0 => Some(State::Extension { size }),
        _ => None,
    }
}

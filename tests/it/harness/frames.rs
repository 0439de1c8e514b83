//! HTTP/2 frames as an endpoint says them, one by one: right ones and wrong ones.

use super::scripted::Caller;

const DATA: u8 = 0;
const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;
const SETTINGS: u8 = 4;
const PING: u8 = 6;
const GOAWAY: u8 = 7;
const CONTINUATION: u8 = 9;
const ACK: u8 = 1;
const END_STREAM: u8 = 1;
const END_HEADERS: u8 = 4;
const PREFACE: usize = 24;
/// What peers take without having said more.
const FRAME_MAX: usize = 16 << 10;

/// Whether a frame ends its stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Last {
    Yes,
    No,
}

impl Last {
    const fn flag(self) -> u8 {
        match self {
            Self::Yes => END_STREAM,
            Self::No => 0,
        }
    }
}

/// Reads the client's preface and answers it.
pub fn begin(caller: &mut Caller) -> Option<()> {
    caller.bytes(PREFACE)?;
    caller.say(frame(SETTINGS, 0, 0, &[]));
    Some(())
}

/// Reads on to the next request, and returns its stream; answers what is to be answered meanwhile.
pub fn next_request(caller: &mut Caller) -> Option<u32> {
    loop {
        let head = caller.bytes(9)?;
        let length = u32::from_be_bytes([0, head[0], head[1], head[2]]);
        let payload = caller.bytes(usize::try_from(length).expect("it is short"))?;
        match (head[3], head[4] & ACK) {
            (SETTINGS, 0) => caller.say(frame(SETTINGS, ACK, 0, &[])),
            (PING, 0) => caller.say(frame(PING, ACK, 0, &payload)),
            (HEADERS, _) => return Some(u32::from_be_bytes([head[5], head[6], head[7], head[8]])),
            _ => (),
        }
    }
}

pub fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).expect("it is short");
    let mut out = length.to_be_bytes()[1..].to_vec();
    out.extend([kind, flags]);
    out.extend(stream.to_be_bytes());
    out.extend_from_slice(payload);
    out
}

/// A header block, in one frame or several. Fields are literals without an index (RFC 7541 section 6.2.2).
pub fn headers(stream: u32, fields: &[(&str, &str)], last: Last) -> Vec<u8> {
    let mut block = Vec::new();
    for (name, value) in fields {
        block.push(0);
        for text in [name, value] {
            length(text.len(), &mut block);
            block.extend_from_slice(text.as_bytes());
        }
    }
    let pieces: Vec<_> = block.chunks(FRAME_MAX).collect();
    let mut out = Vec::new();
    for (at, piece) in pieces.iter().enumerate() {
        let end = if at + 1 == pieces.len() {
            END_HEADERS
        } else {
            0
        };
        out.extend(match at {
            0 => frame(HEADERS, end | last.flag(), stream, piece),
            _ => frame(CONTINUATION, end, stream, piece),
        });
    }
    out
}

/// A number with a prefix of seven bits (RFC 7541 section 5.1).
fn length(number: usize, out: &mut Vec<u8>) {
    if number < 127 {
        out.push(u8::try_from(number).expect("below 127"));
        return;
    }
    out.push(127);
    let mut rest = number - 127;
    while rest >= 128 {
        out.push(u8::try_from(rest % 128 + 128).expect("below 256"));
        rest /= 128;
    }
    out.push(u8::try_from(rest).expect("below 128"));
}

pub fn data(stream: u32, text: &str, last: Last) -> Vec<u8> {
    frame(DATA, last.flag(), stream, text.as_bytes())
}

/// `INTERNAL_ERROR`.
pub fn reset(stream: u32) -> Vec<u8> {
    frame(RST_STREAM, 0, stream, &2_u32.to_be_bytes())
}

/// The last stream that is served, without an error.
pub fn go_away(last: u32) -> Vec<u8> {
    let payload = [last.to_be_bytes(), [0; 4]].concat();
    frame(GOAWAY, 0, 0, &payload)
}

//! Reading a body in pieces, as targets that have one do.

use bytes::BytesMut;
use changeover::proxy::{
    head::{HeadLimits, Underscores},
    stages::{Body, Piece},
};

pub const LIMITS: HeadLimits = HeadLimits {
    head_bytes: 2048,
    target_bytes: 512,
    header_bytes: 1024,
    headers: 20,
    underscores: Underscores::Refuse,
};

/// What became of a body.
#[derive(Debug, PartialEq, Eq)]
pub struct Outcome {
    pub data: Vec<u8>,
    /// `End`, `Trailers`, `Broken`, or `More` where it is not over.
    pub last: Piece,
    /// What was not taken.
    pub rest: Vec<u8>,
}

/// Reads a body whose bytes come in two pieces, cut at `at`.
pub fn read_body(mut body: Body, bytes: &[u8], at: usize) -> Outcome {
    let (first, second) = bytes.split_at(at.min(bytes.len()));
    let mut buffer = BytesMut::new();
    let mut data = Vec::new();
    let mut last = Piece::More;
    for piece in [first, second] {
        buffer.extend_from_slice(piece);
        while last == Piece::More || matches!(last, Piece::Data(_)) {
            last = body.read(&mut buffer, &LIMITS);
            match &last {
                Piece::Data(some) => {
                    assert!(!some.is_empty(), "data that is none would go on for ever");
                    data.extend_from_slice(some);
                }
                Piece::More => break,
                Piece::Trailers(_) | Piece::End | Piece::Broken => {}
            }
        }
    }
    Outcome {
        data,
        last,
        rest: buffer.to_vec(),
    }
}

//! What is kept of an answer for comparing.

use std::hash::Hasher;

use siphasher::sip::SipHasher13;

/// An answer as a client would have got it.
#[derive(Clone, Debug)]
pub struct Answer {
    /// The status.
    pub status: u16,
    /// The fields that are compared, in the plan's order: each value of a name, in the order of the head.
    pub headers: Vec<(String, Vec<String>)>,
    /// Its `Content-Type`.
    pub content_type: Option<String>,
    /// Its `Content-Encoding`.
    pub encoding: Option<String>,
    /// Its body.
    pub body: Kept,
}

/// A body: its beginning, and a digest of all of it.
#[derive(Clone, Debug)]
pub struct Kept {
    bytes: Vec<u8>,
    most: usize,
    length: u64,
    /// Whether nobody wanted the rest of it.
    is_cut: bool,
    /// Not for security: whoever forges an answer has new in hand already.
    digest: SipHasher13,
}

impl Kept {
    /// Nothing yet, and `most` bytes of what comes.
    #[must_use]
    pub fn new(most: usize) -> Self {
        Self {
            bytes: Vec::new(),
            most,
            length: 0,
            is_cut: false,
            digest: SipHasher13::new(),
        }
    }

    /// A piece of it.
    pub fn push(&mut self, piece: &[u8]) {
        let room = self.most.saturating_sub(self.bytes.len()).min(piece.len());
        self.bytes.extend_from_slice(&piece[..room]);
        self.length += u64::try_from(piece.len()).unwrap_or(u64::MAX);
        self.digest.write(piece);
    }

    /// Nobody wants the rest of it.
    pub const fn cut(&mut self) {
        self.is_cut = true;
    }

    /// All of it; `None` where it was longer than what is kept.
    #[must_use]
    pub fn whole(&self) -> Option<&[u8]> {
        let is_whole = !self.is_cut && u64::try_from(self.bytes.len()) == Ok(self.length);
        is_whole.then_some(&self.bytes)
    }

    /// As [`Kept::whole`], without copying it.
    #[must_use]
    pub fn into_whole(self) -> Option<Vec<u8>> {
        self.whole().is_some().then_some(self.bytes)
    }

    /// Whether it is longer than that, by an amount that nobody wanted to know.
    #[must_use]
    pub const fn is_cut(&self) -> bool {
        self.is_cut
    }

    /// Its length.
    #[must_use]
    pub const fn length(&self) -> u64 {
        self.length
    }

    /// Whether the other one is the same, as far as lengths and digests tell.
    #[must_use]
    pub fn is_same(&self, other: &Self) -> bool {
        let is_cut = self.is_cut || other.is_cut;
        !is_cut && self.length == other.length && self.digest.finish() == other.digest.finish()
    }
}

//! HTTP/2 frames as they pass (RFC 9113 section 4.1): their headers alone, which tell what a peer makes the proxy do.
//!
//! The `h2` crate answers PING and SETTINGS and takes WINDOW_UPDATE, PRIORITY, RST_STREAM and empty DATA frames for as
//! long as they come. Each of them costs work and brings nothing, so a connection may send only so many of them within a
//! second, beyond those that answer what it was sent.

use std::io::IoSlice;

/// What a connection begins with, from the client.
const PREFACE_BYTES: usize = 24;

const DATA: u8 = 0;
const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;
const PING: u8 = 6;
const WINDOW_UPDATE: u8 = 8;
const CONTINUATION: u8 = 9;

const END_STREAM: u8 = 1;
const END_HEADERS: u8 = 4;

/// What a stream that a client gives up counts as: it may have cost a request to an endpoint.
const RESET_COST: u32 = 5;

/// Frames without content that each piece of ours is worth: WINDOW_UPDATE for its stream and for the connection, and a PING by
/// which some measure how fast data comes.
const EARNED_PER_PIECE: u32 = 3;

/// Who sends to the proxy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Peer {
    /// Opens streams, and gives them up.
    Client,
    /// Gives up only what the proxy has asked for.
    Endpoint,
}

/// A frame's header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Head {
    length: usize,
    kind: u8,
    flags: u8,
    stream: u32,
}

/// Where one direction of a connection stands.
#[derive(Debug, Default)]
struct Walk {
    head: [u8; 9],
    filled: usize,
    /// Bytes that are to pass before the next header.
    left: usize,
}

impl Walk {
    /// At the beginning of what a client says, or of what a server does.
    const fn from(is_client: bool) -> Self {
        Self {
            head: [0; 9],
            filled: 0,
            left: if is_client { PREFACE_BYTES } else { 0 },
        }
    }

    /// The next header that `bytes` complete; they are cut to what follows it.
    fn next(&mut self, bytes: &mut &[u8]) -> Option<Head> {
        let skipped = self.left.min(bytes.len());
        self.left -= skipped;
        *bytes = &bytes[skipped..];
        let missing = (self.head.len() - self.filled).min(bytes.len());
        let (here, rest) = bytes.split_at(missing);
        self.head[self.filled..self.filled + missing].copy_from_slice(here);
        self.filled += missing;
        *bytes = rest;
        if self.filled < self.head.len() {
            return None;
        }
        self.filled = 0;
        let [a, b, c, kind, flags, stream @ ..] = self.head;
        let length = usize::from(a) << 16 | usize::from(b) << 8 | usize::from(c);
        self.left = length;
        Some(Head {
            length,
            kind,
            flags,
            stream: u32::from_be_bytes(stream) & 0x7FFF_FFFF,
        })
    }

    /// Whether the last frame has passed whole.
    const fn is_between_frames(&self) -> bool {
        self.filled == 0 && self.left == 0
    }
}

/// A peer sends more of what costs and brings nothing than it may.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Flood;

/// What a peer sends.
#[derive(Debug)]
struct Inbound {
    walk: Walk,
    peer: Peer,
    most: u32,
    second: u64,
    /// What frames without content came to within this second.
    spent: u32,
    /// Frames that what was sent is worth.
    earned: u32,
    is_within_head: bool,
    last_stream: u32,
}

impl Inbound {
    fn new(peer: Peer, most: u32) -> Self {
        Self {
            walk: Walk::from(peer == Peer::Client),
            peer,
            most,
            second: 0,
            spent: 0,
            earned: 0,
            is_within_head: false,
            last_stream: 0,
        }
    }

    /// Takes note of bytes that came in the given second.
    fn pass(&mut self, mut bytes: &[u8], second: u64) -> Result<(), Flood> {
        if self.second != second {
            self.second = second;
            self.spent = 0;
        }
        while let Some(head) = self.walk.next(&mut bytes) {
            self.spent = self.spent.saturating_add(self.cost(head));
        }
        if self.spent > self.most {
            return Err(Flood);
        }
        Ok(())
    }

    /// So many pieces were sent.
    const fn earn(&mut self, pieces: u32) {
        let earned = pieces.saturating_mul(EARNED_PER_PIECE);
        self.earned = self.earned.saturating_add(earned);
    }

    fn cost(&mut self, head: Head) -> u32 {
        match head.kind {
            DATA => u32::from(head.length == 0 && head.flags & END_STREAM == 0),
            HEADERS => {
                self.is_within_head = head.flags & END_HEADERS == 0;
                self.last_stream = self.last_stream.max(head.stream);
                0
            }
            CONTINUATION => {
                self.is_within_head = head.flags & END_HEADERS == 0;
                1
            }
            WINDOW_UPDATE | PING if self.earned > 0 => {
                self.earned -= 1;
                0
            }
            RST_STREAM if self.peer == Peer::Client => RESET_COST,
            RST_STREAM if self.earned > 0 => {
                self.earned -= 1;
                0
            }
            _ => 1,
        }
    }
}

/// Both directions of a connection.
#[derive(Debug)]
pub(super) struct Traffic {
    inbound: Inbound,
    outbound: Outbound,
}

impl Traffic {
    /// At the beginning of a connection whose peer may send `most` frames without content within a second.
    pub(super) fn new(peer: Peer, most: u32) -> Self {
        Self {
            inbound: Inbound::new(peer, most),
            outbound: Outbound::new(peer),
        }
    }

    /// Takes note of bytes that came in the given second.
    pub(super) fn has_read(&mut self, bytes: &[u8], second: u64) -> Result<(), Flood> {
        self.inbound.pass(bytes, second)
    }

    /// Takes note of the first `count` bytes of these, which were sent.
    pub(super) fn has_written(&mut self, bufs: &[IoSlice<'_>], count: usize) {
        let mut left = count;
        for buf in bufs {
            let here = left.min(buf.len());
            let pieces = self.outbound.pass(&buf[..here]);
            self.inbound.earn(pieces);
            left -= here;
        }
    }

    /// Whether a block of header fields has begun to come and not ended.
    pub(super) const fn is_within_head(&self) -> bool {
        self.inbound.is_within_head
    }

    /// The last stream that a client has opened.
    pub(super) const fn last_stream(&self) -> u32 {
        self.inbound.last_stream
    }

    /// Whether a frame may be put in now.
    pub(super) const fn is_between_frames(&self) -> bool {
        self.outbound.walk.is_between_frames()
    }
}

/// What is sent to a peer.
#[derive(Debug)]
struct Outbound {
    walk: Walk,
    to: Peer,
}

impl Outbound {
    fn new(to: Peer) -> Self {
        Self {
            walk: Walk::from(to == Peer::Endpoint),
            to,
        }
    }

    /// Takes note of bytes that were sent; how many pieces began in them: DATA frames, and requests.
    fn pass(&mut self, mut bytes: &[u8]) -> u32 {
        let mut pieces = 0;
        while let Some(head) = self.walk.next(&mut bytes) {
            let is_piece = match head.kind {
                DATA => head.length > 0,
                HEADERS => self.to == Peer::Endpoint,
                _ => false,
            };
            pieces += u32::from(is_piece);
        }
        pieces
    }
}

/// GOAWAY that asks to calm down (RFC 9113 sections 6.8 and 7).
pub(super) fn enhance_your_calm(last_stream: u32) -> [u8; 17] {
    let mut frame = [0, 0, 8, 7, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 11];
    frame[9..13].copy_from_slice(&last_stream.to_be_bytes());
    frame
}

#[cfg(test)]
mod tests {
    use super::*;

    const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

    fn frame(kind: u8, flags: u8, stream: u8, payload: &[u8]) -> Vec<u8> {
        let length = u8::try_from(payload.len()).unwrap();
        let mut frame = vec![0, 0, length, kind, flags, 0, 0, 0, stream];
        frame.extend_from_slice(payload);
        frame
    }

    #[test]
    fn frames_are_counted_however_they_are_cut() {
        let mut bytes = PREFACE.to_vec();
        for _ in 0..100 {
            bytes.extend(frame(6, 0, 0, b"01234567"));
            bytes.extend(frame(DATA, 0, 1, b"some"));
        }
        for size in [1, 2, 7, 9, 16, 4096] {
            let mut within = Inbound::new(Peer::Client, 100);
            let mut beyond = Inbound::new(Peer::Client, 99);
            let passed = |it: &mut Inbound| bytes.chunks(size).try_for_each(|cut| it.pass(cut, 1));
            assert_eq!(passed(&mut within), Ok(()), "{size}");
            assert_eq!(passed(&mut beyond), Err(Flood), "{size}");
        }
    }

    #[test]
    fn each_frame_costs_what_it_is_worth() {
        let check = |kind, flags, payload: &[u8], cost: u32| {
            let bytes = [PREFACE.to_vec(), frame(kind, flags, 1, payload)].concat();
            let mut inbound = Inbound::new(Peer::Client, 100);
            inbound.pass(&bytes, 0).unwrap();
            assert_eq!(inbound.spent, cost, "{kind} {flags} {payload:?}");
        };
        check(DATA, 0, b"x", 0);
        check(DATA, 0, b"", 1);
        check(DATA, END_STREAM, b"", 0);
        check(HEADERS, 0, b"", 0);
        check(2, 0, b"12345", 1);
        check(RST_STREAM, 0, b"1234", 5);
        check(4, 0, b"", 1);
        check(6, 1, b"01234567", 1);
        check(WINDOW_UPDATE, 0, b"1234", 1);
        check(CONTINUATION, 0, b"", 1);
        check(200, 0, b"", 1);
    }

    #[test]
    fn each_second_has_a_budget_of_its_own() {
        let mut inbound = Inbound::new(Peer::Client, 1);
        inbound.pass(PREFACE, 0).unwrap();
        let ping = frame(6, 0, 0, b"01234567");
        assert_eq!(inbound.pass(&ping, 0), Ok(()));
        assert_eq!(inbound.pass(&ping, 1), Ok(()));
        assert_eq!(inbound.pass(&ping, 1), Err(Flood));
    }

    #[test]
    fn windows_may_grow_for_what_was_sent() {
        let mut outbound = Outbound::new(Peer::Client);
        let sent = [
            frame(HEADERS, END_HEADERS, 1, b"h"),
            frame(DATA, 0, 1, b"some"),
            frame(DATA, END_STREAM, 1, b""),
        ]
        .concat();
        assert_eq!(outbound.pass(&sent[..12]), 0);
        assert!(!outbound.walk.is_between_frames());
        assert_eq!(outbound.pass(&sent[12..]), 1);
        assert!(outbound.walk.is_between_frames());
        let mut inbound = Inbound::new(Peer::Client, 1);
        inbound.pass(PREFACE, 0).unwrap();
        inbound.earn(1);
        let update = frame(WINDOW_UPDATE, 0, 0, b"1234");
        for expected in [Ok(()), Ok(()), Ok(()), Ok(()), Err(Flood)] {
            assert_eq!(inbound.pass(&update, 0), expected);
        }
    }

    #[test]
    fn an_endpoint_may_answer_what_it_was_sent() {
        let mut outbound = Outbound::new(Peer::Endpoint);
        let request = [PREFACE.to_vec(), frame(HEADERS, END_HEADERS, 1, b"h")].concat();
        assert_eq!(outbound.pass(&request), 1);
        let mut inbound = Inbound::new(Peer::Endpoint, 1);
        inbound.earn(1);
        // No preface comes from there; a stream that is given up is one of ours.
        let reset = frame(RST_STREAM, 0, 1, b"1234");
        let ping = frame(PING, 0, 0, b"01234567");
        for said in [&reset, &ping, &ping, &reset] {
            assert_eq!(inbound.pass(said, 0), Ok(()));
        }
        assert_eq!(inbound.pass(&reset, 0), Err(Flood));
    }

    #[test]
    fn what_was_written_counts_as_far_as_it_was_taken() {
        let mut traffic = Traffic::new(Peer::Endpoint, 0);
        let request = [PREFACE.to_vec(), frame(HEADERS, END_HEADERS, 1, b"h")].concat();
        let body = frame(DATA, END_STREAM, 1, b"some");
        let bufs = [IoSlice::new(&request), IoSlice::new(&body)];
        let ping = frame(PING, 0, 0, b"01234567");
        traffic.has_written(&bufs, request.len() + 5);
        assert!(!traffic.is_between_frames());
        traffic.has_read(&ping.repeat(3), 0).unwrap();
        traffic.has_written(&[IoSlice::new(&body[5..])], body.len() - 5);
        assert!(traffic.is_between_frames());
        traffic.has_read(&ping.repeat(3), 0).unwrap();
        assert_eq!(traffic.has_read(&ping, 0), Err(Flood));
    }

    #[test]
    fn a_head_is_open_from_its_first_frame_to_its_last() {
        let mut inbound = Inbound::new(Peer::Client, 100);
        inbound.pass(PREFACE, 0).unwrap();
        inbound.pass(&frame(HEADERS, 0, 3, b"h")[..9], 0).unwrap();
        assert!(inbound.is_within_head);
        inbound.pass(b"h", 0).unwrap();
        assert!(inbound.is_within_head);
        let last = frame(CONTINUATION, END_HEADERS, 3, b"");
        inbound.pass(&last, 0).unwrap();
        assert!(!inbound.is_within_head);
        assert_eq!(inbound.last_stream, 3);
    }

    #[test]
    fn the_goaway_is_a_whole_frame() {
        let mut walk = Walk::default();
        let frame = enhance_your_calm(5);
        let mut bytes = &frame[..];
        let head = walk.next(&mut bytes).unwrap();
        assert_eq!((head.kind, head.stream, head.length), (7, 0, bytes.len()));
        assert_eq!(bytes, [0, 0, 0, 5, 0, 0, 0, 11]);
    }
}

//! HTTP/2 frames as they pass (RFC 9113 section 4.1): their headers alone, which tell what a peer makes the proxy do.
//!
//! The `h2` crate answers PING and SETTINGS and takes WINDOW_UPDATE, PRIORITY and RST_STREAM frames for as long as they
//! come. Each of them costs work and brings nothing, so a connection may send only so many of them within a second, beyond
//! those that answer what it was sent.

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

/// Frames that each DATA frame of ours is worth: WINDOW_UPDATE for its stream and for the connection, and a PING by which some
/// measure how fast data comes.
const EARNED_BY_DATA: u32 = 3;

/// One more for so many bytes in it. Servers that read four KiB at a time, and open both windows after each, send half as many.
const BYTES_PER_FRAME: usize = 1 << 10;

/// Frames that each request is worth to an endpoint: an answer with 16 interim ones, trailers, and what gives the stream up.
const EARNED_BY_REQUEST: u32 = 20;

/// So many times the limit of a second may be kept for later.
const KEPT_SECONDS: u32 = 16;

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
    /// At the beginning of a connection, of which so many bytes are no frame.
    const fn behind(preface: usize) -> Self {
        Self {
            head: [0; 9],
            filled: 0,
            left: preface,
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
            walk: Walk::behind(match peer {
                Peer::Client => PREFACE_BYTES,
                Peer::Endpoint => 0,
            }),
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

    /// What was sent is worth so many frames.
    fn earn(&mut self, frames: u32) {
        let most = self.most.saturating_mul(KEPT_SECONDS);
        self.earned = self.earned.saturating_add(frames).min(most);
    }

    fn cost(&mut self, head: Head) -> u32 {
        if matches!(head.kind, HEADERS | CONTINUATION) {
            self.is_within_head = head.flags & END_HEADERS == 0;
            self.last_stream = self.last_stream.max(head.stream);
        }
        match (head.kind, self.peer) {
            (DATA, _) => u32::from(head.length == 0 && head.flags & END_STREAM == 0),
            (HEADERS, Peer::Client) => 0,
            (RST_STREAM, Peer::Client) => RESET_COST,
            (WINDOW_UPDATE | PING, _) | (HEADERS | CONTINUATION | RST_STREAM, Peer::Endpoint) => {
                let is_earned = self.earned > 0;
                self.earned = self.earned.saturating_sub(1);
                u32::from(!is_earned)
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
            let frames = self.outbound.pass(&buf[..here]);
            self.inbound.earn(frames);
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
            walk: Walk::behind(match to {
                Peer::Client => 0,
                Peer::Endpoint => PREFACE_BYTES,
            }),
            to,
        }
    }

    /// Takes note of bytes that were sent; how many frames of the peer's those are worth that began in them.
    fn pass(&mut self, mut bytes: &[u8]) -> u32 {
        let mut worth = 0_u32;
        while let Some(head) = self.walk.next(&mut bytes) {
            let more = match (head.kind, self.to) {
                (DATA, _) if head.length > 0 => {
                    let more = u32::try_from(head.length / BYTES_PER_FRAME);
                    more.unwrap_or(u32::MAX).saturating_add(EARNED_BY_DATA)
                }
                (HEADERS, Peer::Endpoint) => EARNED_BY_REQUEST,
                _ => 0,
            };
            worth = worth.saturating_add(more);
        }
        worth
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
        assert_eq!(outbound.pass(&sent[12..]), EARNED_BY_DATA);
        assert!(outbound.walk.is_between_frames());
        let mut inbound = Inbound::new(Peer::Client, 1);
        inbound.pass(PREFACE, 0).unwrap();
        inbound.earn(3);
        let update = frame(WINDOW_UPDATE, 0, 0, b"1234");
        for expected in [Ok(()), Ok(()), Ok(()), Ok(()), Err(Flood)] {
            assert_eq!(inbound.pass(&update, 0), expected);
        }
    }

    #[test]
    fn an_endpoint_may_answer_what_it_was_sent() {
        let mut traffic = Traffic::new(Peer::Endpoint, 0);
        assert_eq!(
            traffic.has_read(&frame(PING, 0, 0, b"01234567"), 0),
            Err(Flood)
        );
        let mut traffic = Traffic::new(Peer::Endpoint, 2);
        let request = [PREFACE.to_vec(), frame(HEADERS, END_HEADERS, 1, b"h")].concat();
        // However the preface is cut.
        for cut in request.chunks(7) {
            traffic.has_written(&[IoSlice::new(cut)], cut.len());
        }
        // No preface comes from there; streams that are given up are ours, and so are the heads that answer.
        let earned = [
            frame(RST_STREAM, 0, 1, b"1234"),
            frame(HEADERS, 0, 1, b"h"),
            frame(CONTINUATION, END_HEADERS, 1, b"h"),
            frame(WINDOW_UPDATE, 0, 0, b"1234"),
            frame(PING, 0, 0, b"01234567"),
        ]
        .concat();
        for _ in 0..EARNED_BY_REQUEST / 5 {
            assert_eq!(traffic.has_read(&earned, 0), Ok(()));
        }
        for expected in [Ok(()), Ok(()), Err(Flood)] {
            assert_eq!(
                traffic.has_read(&frame(HEADERS, END_HEADERS, 1, b"h"), 0),
                expected
            );
        }
    }

    /// As servers do that read four KiB at a time, whatever the frames are in which these come.
    #[test]
    fn windows_may_grow_with_each_four_kib() {
        for peer in [Peer::Client, Peer::Endpoint] {
            for length in [16 << 10, 64 << 10, 1 << 20] {
                let mut outbound = Outbound::new(peer);
                let mut head = vec![0; outbound.walk.left];
                let bytes = u32::try_from(length).unwrap().to_be_bytes();
                head.extend([bytes[1], bytes[2], bytes[3], DATA, 0, 0, 0, 0, 1]);
                let worth = outbound.pass(&head);
                assert!(worth as usize > length / (4 << 10) * 2, "{length}: {worth}");
            }
        }
    }

    #[test]
    fn what_is_earned_is_kept_for_a_while_only() {
        let mut inbound = Inbound::new(Peer::Endpoint, 1);
        inbound.earn(1_000_000);
        let ping = frame(PING, 0, 0, b"01234567");
        assert_eq!(inbound.pass(&ping.repeat(17), 0), Ok(()));
        assert_eq!(inbound.pass(&ping, 0), Err(Flood));
    }

    #[test]
    fn what_was_written_counts_as_far_as_it_was_taken() {
        let mut traffic = Traffic::new(Peer::Endpoint, 5);
        let request = [PREFACE.to_vec(), frame(HEADERS, END_HEADERS, 1, b"h")].concat();
        let body = frame(DATA, END_STREAM, 1, b"some");
        let bufs = [IoSlice::new(&request), IoSlice::new(&body)];
        let ping = frame(PING, 0, 0, b"01234567");
        traffic.has_written(&bufs, request.len() + 5);
        assert!(!traffic.is_between_frames());
        traffic.has_read(&ping.repeat(20 + 5), 0).unwrap();
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

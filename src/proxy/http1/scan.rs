//! The lines of a head or a trailer section, as their bytes come.
//!
//! One pass: every byte is looked at once, however the section is cut into reads, and each line is judged as soon
//! as its end is there. So a fault is found at the same byte whatever the cuts.

use super::{field, request_head::Lines};
use crate::{measure::Rejection, proxy::head::HeadLimits};

/// Bytes of a request line beside its target, generously: more than any method's and version's.
const LINE_EXTRA: usize = 64;

/// Bytes that end a line.
const LINE_END: usize = 2;

/// What a trailer may not be: it would say how the message was framed or routed after the fact.
const FRAMING: [&[u8]; 3] = [b"content-length", b"transfer-encoding", b"host"];

/// How far a section has been read.
#[derive(Clone, Debug, Default)]
pub(super) struct Scan {
    /// Bytes looked at.
    at: usize,
    /// Where the current line begins.
    line_start: usize,
    /// Lines that ended, empty ones left out.
    lines: usize,
    /// Whether the one empty line that may stand before a request line was there (RFC 9112 section 2.2).
    skipped_blank: bool,
}

/// What the section so far comes to.
#[derive(Debug)]
pub(crate) enum Scanned<T> {
    /// More bytes are needed.
    Partial,
    /// The section is complete and so many bytes long.
    Complete(usize, T),
}

impl Scan {
    /// Reads on in a request head; `bytes` begins where the head does.
    pub(super) fn head(
        &mut self,
        bytes: &[u8],
        head: &mut Lines,
        limits: &HeadLimits,
    ) -> Result<Scanned<()>, Rejection> {
        loop {
            let (limit, too_large) = if self.lines == 0 {
                let line = limits.target_bytes.saturating_add(LINE_EXTRA);
                let limit = self.line_start.saturating_add(line);
                (limit.min(limits.head_bytes), Rejection::TargetTooLong)
            } else {
                let line = limits.header_bytes.saturating_add(LINE_END);
                let limit = self.line_start.saturating_add(line);
                (limit.min(limits.head_bytes), Rejection::HeadTooLarge)
            };
            let line_start = self.line_start;
            match self.line(bytes, limit)? {
                None if bytes.len() >= limit => return Err(too_large),
                None => return Ok(Scanned::Partial),
                Some([]) if self.lines == 0 && !self.skipped_blank => self.skipped_blank = true,
                Some([]) => return Ok(Scanned::Complete(self.at, ())),
                Some(line) => {
                    head.take_line(line, line_start, limits)?;
                    self.count_line(limits.headers.saturating_add(1))?;
                }
            }
        }
    }

    /// Reads on in the section after the last chunk; `bytes` begins where the section does.
    pub(super) fn trailers(
        &mut self,
        bytes: &[u8],
        limits: &HeadLimits,
    ) -> Result<Scanned<()>, Rejection> {
        loop {
            match self.line(bytes, limits.head_bytes)? {
                None if bytes.len() >= limits.head_bytes => return Err(Rejection::HeadTooLarge),
                None => return Ok(Scanned::Partial),
                Some([]) => return Ok(Scanned::Complete(self.at, ())),
                Some(line) => {
                    let (name, _) =
                        field::split(line, limits.underscores).ok_or(Rejection::Malformed)?;
                    if FRAMING.iter().any(|it| it.eq_ignore_ascii_case(name)) {
                        return Err(Rejection::Malformed);
                    }
                    self.count_line(limits.headers)?;
                }
            }
        }
    }

    /// The current line without its line end, once that is there within the first `limit` bytes.
    fn line<'a>(&mut self, bytes: &'a [u8], limit: usize) -> Result<Option<&'a [u8]>, Rejection> {
        let seen = &bytes[..bytes.len().min(limit)];
        while let Some(ahead) = find_control(&seen[self.at..]) {
            let place = self.at + ahead;
            match (seen[place], seen.get(place + 1)) {
                (b'\t', _) => self.at = place + 1,
                (b'\r', Some(b'\n')) => {
                    let line = &seen[self.line_start..place];
                    self.at = place + 2;
                    self.line_start = self.at;
                    return Ok(Some(line));
                }
                (b'\r', None) => {
                    self.at = place;
                    return Ok(None);
                }
                _ => return Err(Rejection::Malformed),
            }
        }
        self.at = seen.len();
        Ok(None)
    }

    fn count_line(&mut self, max: usize) -> Result<(), Rejection> {
        self.lines += 1;
        if self.lines > max {
            return Err(Rejection::HeadTooLarge);
        }
        Ok(())
    }
}

/// The place of the first control character. Sixteen bytes are looked at as one, which the compiler makes into a few vector
/// instructions: most bytes of a head are none.
fn find_control(bytes: &[u8]) -> Option<usize> {
    const LANES: usize = 16;
    let mut at = 0;
    let (blocks, _) = bytes.as_chunks::<LANES>();
    for block in blocks {
        let has_control = block
            .iter()
            .fold(false, |found, byte| found | byte.is_ascii_control());
        if has_control {
            break;
        }
        at += LANES;
    }
    let rest = bytes[at..].iter().position(u8::is_ascii_control)?;
    Some(at + rest)
}

//! The `Date` of what we send (RFC 9110 section 6.6.1), written once a second.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

const NAME: &str = "date: ";
const LINE_END: &str = "\r\n";

/// `date: …` with its line end.
#[derive(Debug)]
pub(crate) struct DateLine {
    second: u64,
    line: Vec<u8>,
}

impl DateLine {
    /// The line for `wall`, the time since 1970 by the wall's clock.
    pub(crate) fn new(wall: Duration) -> Self {
        let second = wall.as_secs();
        let time: SystemTime = UNIX_EPOCH + Duration::from_secs(second);
        let line = format!("{NAME}{}{LINE_END}", httpdate::fmt_http_date(time));
        Self {
            second,
            line: line.into_bytes(),
        }
    }

    /// Writes it anew if the second has changed.
    pub(crate) fn renew(&mut self, wall: Duration) {
        if wall.as_secs() != self.second {
            *self = Self::new(wall);
        }
    }

    /// The line.
    pub(crate) fn as_bytes(&self) -> &[u8] {
        &self.line
    }

    /// The date alone.
    pub(crate) fn value(&self) -> &[u8] {
        &self.line[NAME.len()..self.line.len() - LINE_END.len()]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn is_written_as_http_wants_it() {
        let mut date = DateLine::new(Duration::from_millis(784_111_777_900));
        assert_eq!(date.as_bytes(), b"date: Sun, 06 Nov 1994 08:49:37 GMT\r\n");
        date.renew(Duration::from_millis(784_111_778_000));
        assert_eq!(date.as_bytes(), b"date: Sun, 06 Nov 1994 08:49:38 GMT\r\n");
        assert_eq!(date.value(), b"Sun, 06 Nov 1994 08:49:38 GMT");
    }
}

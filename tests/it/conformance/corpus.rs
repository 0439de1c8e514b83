//! The files of cases.

use crate::harness::h2;

/// One case.
pub struct Case {
    pub name: String,
    lines: Vec<String>,
    pub expected: Expected,
}

/// What must come of a case.
pub enum Expected {
    /// Refused with this status and `x-changeover-error`.
    Refused { status: u16, reason: String },
    /// Reset, or the connection ended.
    Error,
    /// Answered by a side, whose endpoint saw this.
    Answered {
        status: u16,
        side: String,
        line: String,
        holds: Vec<String>,
        lacks: Vec<String>,
    },
}

impl Expected {
    /// The status; 0 for an error.
    pub const fn status(&self) -> u16 {
        match self {
            Self::Refused { status, .. } | Self::Answered { status, .. } => *status,
            Self::Error => 0,
        }
    }

    fn read(line: &str) -> Self {
        let words: Vec<&str> = line.splitn(3, ' ').collect();
        match words[..] {
            ["error"] => Self::Error,
            [status, reason] => Self::Refused {
                status: status.parse().expect("a status"),
                reason: reason.to_owned(),
            },
            [status, side, line] => Self::Answered {
                status: status.parse().expect("a status"),
                side: side.to_owned(),
                line: text(line),
                holds: Vec::new(),
                lacks: Vec::new(),
            },
            _ => panic!("no expectation: {line}"),
        }
    }

    fn add(&mut self, mark: &str, what: String) {
        let Self::Answered { holds, lacks, .. } = self else {
            panic!("nothing reaches an endpoint: {what}");
        };
        match mark {
            "+" => holds.push(what),
            _ => lacks.push(what),
        }
    }
}

impl Case {
    /// The bytes of an HTTP/1 case.
    pub fn bytes(&self) -> Vec<u8> {
        self.lines
            .iter()
            .flat_map(|it| unescape(&repeat(it)))
            .collect()
    }

    /// The frames of an HTTP/2 case, on stream 1.
    pub fn frames(&self) -> Vec<u8> {
        let (mut head, mut trailers, mut body) = (Vec::new(), Vec::new(), None);
        for line in self.lines.iter().flat_map(|it| whole_lines(it)) {
            if let Some(text) = line.strip_prefix("body: ") {
                body = Some(unescape(text));
            } else if let Some(field) = line.strip_prefix("trailer: ") {
                trailers.push(split(field));
            } else {
                head.push(split(&line));
            }
        }
        let block = |fields: &[(Vec<u8>, Vec<u8>)]| {
            h2::block(fields.iter().map(|(name, value)| (&name[..], &value[..])))
        };
        let mut out = Vec::new();
        let end = if body.is_none() { h2::END_STREAM } else { 0 };
        put_block(&block(&head), end, &mut out);
        if let Some(body) = body {
            let end = if trailers.is_empty() {
                h2::END_STREAM
            } else {
                0
            };
            h2::put(h2::DATA, end, 1, &body, &mut out);
        }
        if !trailers.is_empty() {
            put_block(&block(&trailers), h2::END_STREAM, &mut out);
        }
        out
    }
}

/// A header block as HEADERS and as many CONTINUATION frames as it needs.
fn put_block(block: &[u8], end_stream: u8, out: &mut Vec<u8>) {
    const FRAME_MAX: usize = 16_384;
    let mut pieces = block.chunks(FRAME_MAX).peekable();
    let mut kind = h2::HEADERS;
    while let Some(piece) = pieces.next() {
        let end_headers = if pieces.peek().is_none() {
            h2::END_HEADERS
        } else {
            0
        };
        let flags = if kind == h2::HEADERS { end_stream } else { 0 };
        h2::put(kind, flags | end_headers, 1, piece, out);
        kind = h2::CONTINUATION;
    }
}

/// Reads a file of cases.
pub fn cases(file: &str) -> Vec<Case> {
    let mut cases = Vec::new();
    let mut lines = file.lines().peekable();
    while let Some(line) = lines.next() {
        let Some(name) = line.strip_prefix("## ") else {
            assert!(line.is_empty() || line.starts_with('#'), "{line}");
            continue;
        };
        let mut said = Vec::new();
        let mut expected = loop {
            let line = lines.next().expect("a case has an expectation");
            match line.strip_prefix("=> ") {
                Some(expected) => break Expected::read(expected),
                None => said.push(line.to_owned()),
            }
        };
        while let Some((mark @ ("+" | "-"), what)) = lines.peek().and_then(|it| it.split_once(' '))
        {
            expected.add(mark, text(what));
            lines.next();
        }
        cases.push(Case {
            name: name.to_owned(),
            lines: said,
            expected,
        });
    }
    cases
}

fn text(written: &str) -> String {
    String::from_utf8(unescape(&repeat(written))).expect("it is text")
}

/// Writes `{x*3}` out.
fn repeat(line: &str) -> String {
    let Some((before, rest)) = line.split_once('{') else {
        return line.to_owned();
    };
    let (inner, after) = rest.split_once('}').expect("a brace closes");
    let (what, times) = inner.rsplit_once('*').expect("it says how often");
    let times = times.parse().expect("a number");
    format!("{before}{}{}", what.repeat(times), repeat(after))
}

/// A line as many times as it says, where it is in braces as a whole.
fn whole_lines(line: &str) -> Vec<String> {
    let inner = line.strip_prefix('{').and_then(|it| it.strip_suffix('}'));
    let Some((what, times)) = inner.and_then(|it| it.rsplit_once('*')) else {
        return vec![repeat(line)];
    };
    vec![what.to_owned(); times.parse().expect("a number")]
}

fn split(field: &str) -> (Vec<u8>, Vec<u8>) {
    let (name, value) = field
        .split_once(": ")
        .or_else(|| Some((field.strip_suffix(':')?, "")))
        .expect("a field has a name");
    (unescape(name), unescape(value))
}

fn unescape(written: &str) -> Vec<u8> {
    let mut out = Vec::new();
    let mut bytes = written.bytes();
    while let Some(byte) = bytes.next() {
        if byte != b'\\' {
            out.push(byte);
            continue;
        }
        let next = bytes.next().expect("something is escaped");
        out.push(match next {
            b'r' => b'\r',
            b'n' => b'\n',
            b't' => b'\t',
            b'0' => 0,
            b'\\' => b'\\',
            b'x' => {
                let digits = [bytes.next(), bytes.next()].map(|it| it.expect("two digits"));
                let digits = std::str::from_utf8(&digits).expect("they are digits");
                u8::from_str_radix(digits, 16).expect("they are digits")
            }
            other => panic!("no escape: {}", char::from(other)),
        });
    }
    out
}

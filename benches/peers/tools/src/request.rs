//! Reading HTTP/1.1 requests as an origin does: head, body framing, and how far the body has come.

use std::ops::Range;

use anyhow::{Context as _, Result, bail, ensure};

/// Fields of one head; what a proxy sends is well below.
const FIELDS: usize = 64;

/// A request head, and where the body begins.
#[derive(Debug)]
pub struct Head {
    /// The target, as a range of the buffer that was parsed.
    pub target: Range<usize>,
    /// Bytes up to the end of the empty line.
    pub length: usize,
    /// How the body is framed.
    pub body: Framing,
    /// Whether the connection ends with the answer.
    pub is_last: bool,
    /// Whether it is a copy of a request that a proxy makes, to compare both origins.
    pub is_copy: bool,
}

/// How far a request body reaches.
#[derive(Debug, PartialEq, Eq)]
pub enum Framing {
    /// So many bytes are still to come; 0 is no body.
    Length(u64),
    /// Chunks until an empty one.
    Chunked(Chunks),
}

/// Parses a head; `None` while it is incomplete.
pub fn parse(buffer: &[u8]) -> Result<Option<Head>> {
    let mut fields = [httparse::EMPTY_HEADER; FIELDS];
    let mut request = httparse::Request::new(&mut fields);
    let httparse::Status::Complete(length) = request.parse(buffer)? else {
        return Ok(None);
    };
    let path = request.path.context("a request without a target")?;
    let start = path.as_ptr().addr() - buffer.as_ptr().addr();
    let mut head = Head {
        target: start..start + path.len(),
        length,
        body: Framing::Length(0),
        is_last: request.version == Some(0),
        is_copy: false,
    };
    for field in request.headers.iter() {
        if field.name.eq_ignore_ascii_case("content-length") {
            head.body = Framing::Length(std::str::from_utf8(field.value)?.trim().parse()?);
        } else if field.name.eq_ignore_ascii_case("transfer-encoding") {
            head.body = Framing::Chunked(Chunks::default());
        } else if field.name.eq_ignore_ascii_case("connection") {
            head.is_last |= field.value.eq_ignore_ascii_case(b"close");
        } else if field.name.eq_ignore_ascii_case("x-changeover-shadow") {
            head.is_copy = true;
        }
    }
    Ok(Some(head))
}

/// What a step through a body came to.
#[derive(Debug, PartialEq, Eq)]
pub struct Progress {
    /// Bytes of the buffer that are dealt with.
    pub taken: usize,
    /// Those of them that are content.
    pub content: u64,
    /// Whether the body has ended.
    pub is_complete: bool,
}

impl Framing {
    /// Goes through as much of `buffer` as belongs to the body.
    pub fn step(&mut self, buffer: &[u8]) -> Result<Progress> {
        match self {
            Self::Length(left) => {
                let content = (*left).min(buffer.len() as u64);
                *left -= content;
                Ok(Progress {
                    taken: usize::try_from(content)?,
                    content,
                    is_complete: *left == 0,
                })
            }
            Self::Chunked(chunks) => chunks.step(buffer),
        }
    }
}

/// Where in a chunked body we are.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Chunks {
    /// Content of the chunk under way that is still to come.
    left: u64,
    /// Whether that chunk's line end is still to come.
    is_inside: bool,
}

impl Chunks {
    fn step(&mut self, buffer: &[u8]) -> Result<Progress> {
        let (mut taken, mut content) = (0, 0);
        loop {
            let rest = &buffer[taken..];
            if self.left > 0 {
                let step = self.left.min(rest.len() as u64);
                (self.left, content) = (self.left - step, content + step);
                taken += usize::try_from(step)?;
                if self.left > 0 {
                    break;
                }
            } else if self.is_inside {
                if rest.len() < 2 {
                    break;
                }
                ensure!(rest.starts_with(b"\r\n"), "a chunk longer than it says");
                (taken, self.is_inside) = (taken + 2, false);
            } else {
                match httparse::parse_chunk_size(rest) {
                    Ok(httparse::Status::Complete((line, 0))) => {
                        // Trailers are not expected of any of the load generators.
                        if rest.len() < line + 2 {
                            break;
                        }
                        ensure!(rest[line..].starts_with(b"\r\n"), "a body with trailers");
                        return Ok(Progress {
                            taken: taken + line + 2,
                            content,
                            is_complete: true,
                        });
                    }
                    Ok(httparse::Status::Complete((line, size))) => {
                        (taken, self.left, self.is_inside) = (taken + line, size, true);
                    }
                    Ok(httparse::Status::Partial) => break,
                    Err(error) => bail!("a chunk size that is none: {error}"),
                }
            }
        }
        Ok(Progress {
            taken,
            content,
            is_complete: false,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_head_ends_where_its_body_begins() {
        let buffer = b"POST /up HTTP/1.1\r\nContent-Length: 3\r\n\r\nabcGET";
        let mut head = parse(buffer).unwrap().unwrap();
        assert_eq!(&buffer[head.target], b"/up");
        let progress = head.body.step(&buffer[head.length..]).unwrap();
        assert_eq!(
            progress,
            Progress {
                taken: 3,
                content: 3,
                is_complete: true
            }
        );
    }

    #[test]
    fn chunks_are_counted_however_they_are_cut() {
        let body = b"3\r\nabc\r\n10\r\n0123456789abcdef\r\n0\r\n\r\nGET";
        for cut in 1..body.len() {
            let mut chunks = Chunks::default();
            let first = chunks.step(&body[..cut]).unwrap();
            let mut content = first.content;
            if !first.is_complete {
                let second = chunks.step(&body[first.taken..]).unwrap();
                assert!(second.is_complete, "cut at {cut}");
                content += second.content;
            }
            assert_eq!(content, 19, "cut at {cut}");
        }
    }
}

//! Reading HTTP/1.1 answers as a load generator does: status and length, nothing else.

use anyhow::{Context as _, Result};

/// Fields of one head; what a proxy sends is well below.
const FIELDS: usize = 64;

/// The head of an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Answer {
    /// The status code.
    pub status: u16,
    /// Bytes of head and body together.
    pub length: usize,
}

/// Parses the head of an answer whose body has a length; `None` while it is incomplete.
pub fn parse(buffer: &[u8]) -> Result<Option<Answer>> {
    let mut fields = [httparse::EMPTY_HEADER; FIELDS];
    let mut response = httparse::Response::new(&mut fields);
    let httparse::Status::Complete(head) = response.parse(buffer)? else {
        return Ok(None);
    };
    let length = response
        .headers
        .iter()
        .find(|field| field.name.eq_ignore_ascii_case("content-length"))
        .context("an answer without a length")?;
    let body: usize = std::str::from_utf8(length.value)?.trim().parse()?;
    Ok(Some(Answer {
        status: response.code.context("an answer without a status")?,
        length: head + body,
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_as_long_as_its_head_and_body() {
        let buffer = b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello";
        let answer = parse(buffer).unwrap().unwrap();
        assert_eq!((answer.status, answer.length), (200, buffer.len()));
        assert_eq!(parse(&buffer[..30]).unwrap(), None);
    }
}

//! The journal as it grows, read from the server's event stream.

use std::io::{BufRead, BufReader, Read};

use ureq::BodyReader;

use crate::{
    admin::EventDocument,
    cli::{client::Client, exit::Failure},
};

/// The longest line that is taken in; an entry is a few kilobytes.
const LINE_BYTES_MAX: u64 = 1024 * 1024;

/// An open stream.
pub(crate) struct Entries {
    client: Client,
    reader: BufReader<BodyReader<'static>>,
}

impl Client {
    /// Follows the journal after entry `after`.
    pub(crate) fn follow(&self, after: u64) -> Result<Entries, Failure> {
        let url = format!("{}/api/v1/events/stream?after={after}", self.base);
        let answer = self.with_token(self.streams.get(url)).call();
        let answer = answer.map_err(|error| self.unreachable(&error))?;
        if !answer.status().is_success() {
            let (status, text) = self.read(Ok(answer))?;
            return Err(self.problem(status, &text));
        }
        Ok(Entries {
            client: self.clone(),
            reader: BufReader::new(answer.into_body().into_reader()),
        })
    }
}

impl Entries {
    /// The next entry; `None` when the stream ended or broke.
    pub(crate) fn next(&mut self) -> Result<Option<EventDocument>, Failure> {
        loop {
            let mut line = Vec::new();
            let mut limited = self.reader.by_ref().take(LINE_BYTES_MAX);
            match limited.read_until(b'\n', &mut line) {
                Ok(0) | Err(_) => return Ok(None),
                Ok(_) => {}
            }
            let Some(data) = line.strip_prefix(b"data:") else {
                continue;
            };
            let entry =
                serde_json::from_slice(data).map_err(|error| self.client.strange(&error))?;
            return Ok(Some(entry));
        }
    }
}

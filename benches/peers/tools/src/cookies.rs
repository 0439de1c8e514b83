//! The returning visitors: requests that differ in their cookie only.

use std::{fs, path::Path};

use anyhow::{Context as _, Result};

/// Requests in full, to be sent in turn.
#[derive(Debug)]
pub struct Requests {
    texts: Vec<Vec<u8>>,
    next: usize,
}

impl Requests {
    /// One request for each line of the file, which holds `Cookie` values; a single one without a cookie if there is no
    /// file. `connection` is the value of that field.
    pub fn read(file: Option<&Path>, host: &str, path: &str, connection: &str) -> Result<Self> {
        let cookies = match file {
            Some(file) => fs::read_to_string(file)
                .with_context(|| format!("cannot read cookies from {}", file.display()))?,
            None => String::new(),
        };
        let start = format!("GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: {connection}\r\n");
        let mut texts: Vec<_> = cookies
            .lines()
            .map(|cookie| format!("{start}Cookie: {cookie}\r\n\r\n").into_bytes())
            .collect();
        if texts.is_empty() {
            texts.push(format!("{start}\r\n").into_bytes());
        }
        Ok(Self { texts, next: 0 })
    }

    /// The next one.
    pub fn draw(&mut self) -> &[u8] {
        let drawn = self.next;
        self.next = (self.next + 1) % self.texts.len();
        &self.texts[drawn]
    }
}

//! The PROXY protocol (versions 1 and 2): a load balancer in front says whose connection it passes on, before its first byte.

use std::{io, net::IpAddr};

use proxy_header::{Error, ParseConfig, ProxyHeader};
use tokio::{io::AsyncReadExt, net::TcpStream};

/// Bytes of a header, with what balancers add to it; an address takes 107 or 52 of them.
const HEADER_MAX: usize = 2048;

/// What a header of version 1 begins with, and its longest line.
const VERSION_1: &[u8] = b"PROXY ";
const VERSION_1_MAX: usize = 107;

/// Reads the header, and nothing behind it. The address that it names; `None` where the balancer speaks for itself, as in its
/// checks, or does not know.
pub(super) async fn read(socket: &mut TcpStream) -> io::Result<Option<IpAddr>> {
    let mut header = Vec::new();
    let mut space = [0; HEADER_MAX];
    loop {
        // What follows the header is somebody else's to read.
        let seen = socket.peek(&mut space[..HEADER_MAX - header.len()]).await?;
        if seen == 0 {
            // The client has gone, or there is no room left.
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let before = header.len();
        header.extend_from_slice(&space[..seen]);
        let parsed = parse(&header);
        let used = match &parsed {
            Parsed::Whole { length, .. } => length - before,
            Parsed::Part => seen,
            Parsed::Invalid => return Err(io::ErrorKind::InvalidData.into()),
        };
        socket.read_exact(&mut space[..used]).await?;
        if let Parsed::Whole { source, .. } = parsed {
            return Ok(source);
        }
    }
}

/// What the first bytes of a connection are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Parsed {
    /// A header, and how many of the bytes it takes.
    Whole {
        /// Its bytes.
        length: usize,
        /// Whom it names.
        source: Option<IpAddr>,
    },
    /// More bytes are needed.
    Part,
    /// No header.
    Invalid,
}

/// Looks for a header at the front of `bytes`.
#[must_use]
pub fn parse(bytes: &[u8]) -> Parsed {
    // The parser takes any byte for the space in version 1, and a line of any length that speaks for nobody.
    let beginning = bytes.get(..VERSION_1.len());
    let is_text = bytes.first() == VERSION_1.first();
    if is_text && beginning.is_some_and(|it| it != VERSION_1) {
        return Parsed::Invalid;
    }
    match ProxyHeader::parse(bytes, ParseConfig::default()) {
        Ok((_, length)) if is_text && length > VERSION_1_MAX => Parsed::Invalid,
        Ok((header, length)) => Parsed::Whole {
            length,
            source: header
                .proxied_address()
                .map(|it| it.source.ip().to_canonical()),
        },
        Err(Error::BufferTooShort) => Parsed::Part,
        Err(_) => Parsed::Invalid,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_both_versions_and_nothing_behind_them() {
        let check = |bytes: &[u8], length, source: Option<&str>| {
            let source = source.map(|it| it.parse().unwrap());
            let whole = Parsed::Whole { length, source };
            assert_eq!(parse(bytes), whole);
            for cut in 0..length {
                assert_eq!(parse(&bytes[..cut]), Parsed::Part, "{cut}");
            }
        };
        check(
            b"PROXY TCP4 192.0.2.1 192.0.2.2 56324 443\r\nGET /",
            42,
            Some("192.0.2.1"),
        );
        check(
            b"PROXY TCP6 2001:db8::1 2001:db8::2 1 2\r\n",
            40,
            Some("2001:db8::1"),
        );
        check(b"PROXY UNKNOWN\r\nGET", 15, None);
        let signature = b"\r\n\r\n\0\r\nQUIT\n";
        let inet = [
            &[0x21, 0x11, 0, 12][..],
            &[192, 0, 2, 1, 192, 0, 2, 2, 0, 1, 0, 2],
        ];
        let inet = [&signature[..], &inet.concat(), b"rest"].concat();
        check(&inet, 28, Some("192.0.2.1"));
        let local = [&signature[..], &[0x20, 0, 0, 0], b"rest"].concat();
        check(&local, 16, None);
    }

    #[test]
    fn refuses_what_is_no_header() {
        let long = [b"PROXY UNKNOWN ", &[b'a'; 100][..], b"\r\n"].concat();
        let bad: [&[u8]; 6] = [
            &long,
            b"PROXY\tTCP4 192.0.2.1 192.0.2.2 56324 443\r\n",
            b"GET / HTTP/1.1\r\nHost: a\r\n\r\n",
            b"PROXY TCP4 192.0.2.1 192.0.2.2 56324 443x\r\n",
            b"PROXY TCP4 a.test 192.0.2.2 56324 443\r\n",
            b"proxy tcp4 192.0.2.1 192.0.2.2 56324 443\r\n",
        ];
        for bytes in bad {
            assert_eq!(parse(bytes), Parsed::Invalid, "{bytes:?}");
        }
    }
}

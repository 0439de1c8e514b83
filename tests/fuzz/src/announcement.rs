//! What a load balancer says about a connection (the PROXY protocol): a header ends where it ends, whatever follows, and
//! no beginning of it is taken for another one.

use changeover::proxy::stages::{Announced, announced};

/// The longest line of version 1.
const LINE_MAX: usize = 107;

pub fn run(data: &[u8]) {
    let Announced::Whole { length, source } = announced(data) else {
        return;
    };
    let header = data.get(..length).expect("it lies within what came");
    // Neither what follows decides anything, nor a piece of it that comes later.
    assert_eq!(announced(header), Announced::Whole { length, source });
    for end in 0..length.min(LINE_MAX) {
        assert_eq!(announced(&header[..end]), Announced::Part, "at {end}");
    }
    assert_eq!(announced(&header[..length - 1]), Announced::Part);
    if header[0] == b'P' {
        assert!(length <= LINE_MAX, "a line of {length} bytes");
        let line = header.strip_suffix(b"\r\n").expect("it is one line");
        let words = line
            .strip_prefix(b"PROXY ")
            .expect("it is one of version 1");
        match source {
            Some(source) => {
                let line = str::from_utf8(line).expect("addresses are text");
                let words: Vec<&str> = line.split(' ').collect();
                assert_eq!(words.len(), 6, "{line}");
                let named: std::net::IpAddr = words[2].parse().expect("an address");
                assert_eq!(source, named.to_canonical());
                assert!(words[4].parse::<u16>().is_ok() && words[5].parse::<u16>().is_ok());
            }
            // What else the line says is nobody's to read.
            None => assert!(words.starts_with(b"UNKNOWN"), "{line:?}"),
        }
    } else {
        let rest = usize::from(u16::from_be_bytes([header[14], header[15]]));
        assert_eq!(length, 16 + rest, "the header says its length");
    }
}

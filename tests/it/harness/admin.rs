//! A plain HTTP/1.1 client for the admin API and for the environments' own controls.

use std::{
    io::{Read, Write},
    net::{SocketAddr, TcpStream},
    time::Duration,
};

/// A GET; the body of a 200.
pub fn get(address: SocketAddr, path: &str) -> String {
    let (status, body) = call(address, "GET", path, "");
    assert_eq!(status, 200, "GET {path}: {body}");
    body
}

/// One request on a connection of its own: status and body.
pub fn call(address: SocketAddr, method: &str, path: &str, body: &str) -> (u16, String) {
    try_call(address, method, path, body)
        .unwrap_or_else(|error| panic!("{method} http://{address}{path}: {error}"))
}

/// As [`call`], where nobody may be listening.
pub fn try_call(
    address: SocketAddr,
    method: &str,
    path: &str,
    body: &str,
) -> std::io::Result<(u16, String)> {
    let mut stream = TcpStream::connect(address)?;
    stream.set_read_timeout(Some(Duration::from_secs(20)))?;
    let length = body.len();
    write!(
        stream,
        "{method} {path} HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n\
         content-type: application/json\r\ncontent-length: {length}\r\n\r\n{body}"
    )?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer)?;
    let invalid = || std::io::Error::new(std::io::ErrorKind::InvalidData, "no HTTP answer");
    let answer = String::from_utf8_lossy(&answer).into_owned();
    let (head, body) = answer.split_once("\r\n\r\n").ok_or_else(invalid)?;
    let status = head.split(' ').nth(1).and_then(|it| it.parse().ok());
    let chunked = head
        .to_ascii_lowercase()
        .contains("transfer-encoding: chunked");
    let body = if chunked {
        dechunk(body)
    } else {
        body.to_owned()
    };
    Ok((status.ok_or_else(invalid)?, body))
}

fn dechunk(mut rest: &str) -> String {
    let mut body = String::new();
    while let Some((size, after)) = rest.split_once("\r\n") {
        let size = usize::from_str_radix(size, 16).expect("a chunk size");
        let Some(chunk) = after.get(..size).filter(|it| !it.is_empty()) else {
            break;
        };
        body.push_str(chunk);
        rest = after.get(size + 2..).unwrap_or_default();
    }
    body
}

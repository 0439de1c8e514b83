//! Opens keep-alive connections, sends one request on each, and holds them.
//!
//! Prints a line of JSON once all have been answered, then waits until its input ends, and prints another that says how
//! many were still open.

use std::{
    io::{ErrorKind, Read as _, Write as _},
    net::{SocketAddr, TcpStream},
    path::PathBuf,
    time::Duration,
};

use anyhow::{Result, ensure};
use clap::Parser;
use peers_tools::{answer, cookies::Requests};

const ANSWER_MAX: Duration = Duration::from_secs(10);

#[derive(Parser)]
struct Arguments {
    /// The proxy
    #[arg(long)]
    address: SocketAddr,
    /// A file with a `Cookie` value on each line, sent in turn
    #[arg(long)]
    cookies: Option<PathBuf>,
    /// How many
    #[arg(long)]
    connections: usize,
}

fn main() -> Result<()> {
    let arguments = Arguments::parse();
    let cookies = arguments.cookies.as_deref();
    let mut requests = Requests::read(cookies, "localhost", "/", "keep-alive")?;
    let mut held = Vec::with_capacity(arguments.connections);
    for _ in 0..arguments.connections {
        let mut stream = TcpStream::connect(arguments.address)?;
        stream.set_read_timeout(Some(ANSWER_MAX))?;
        stream.write_all(requests.draw())?;
        read_answer(&mut stream)?;
        held.push(stream);
    }
    let mut output = std::io::stdout();
    writeln!(output, "{}", serde_json::json!({"answered": held.len()}))?;
    output.flush()?;
    std::io::stdin().read_to_end(&mut Vec::new())?;
    let open = held.iter().filter(|it| is_open(it)).count();
    writeln!(output, "{}", serde_json::json!({"open": open}))?;
    Ok(())
}

fn read_answer(stream: &mut TcpStream) -> Result<()> {
    let (mut buffer, mut filled) = ([0; 8 << 10], 0);
    loop {
        let count = stream.read(&mut buffer[filled..])?;
        ensure!(count > 0, "closed before an answer");
        filled += count;
        if let Some(answer) = answer::parse(&buffer[..filled])?
            && filled >= answer.length
        {
            ensure!(answer.status == 200, "status {}", answer.status);
            return Ok(());
        }
        ensure!(
            filled < buffer.len(),
            "an answer of more than {filled} bytes"
        );
    }
}

/// Whether the proxy still keeps it.
fn is_open(stream: &TcpStream) -> bool {
    let peeked = stream
        .set_nonblocking(true)
        .and_then(|()| stream.peek(&mut [0]));
    matches!(peeked, Err(error) if error.kind() == ErrorKind::WouldBlock)
}

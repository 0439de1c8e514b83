//! Servers and clients from public packages: Python programs of `tests/it/peers/`.

use std::{
    io::{BufRead, BufReader, Lines, Write},
    net::SocketAddr,
    path::{Path, PathBuf},
    process::{Child, ChildStdin, ChildStdout, Command, Output, Stdio},
};

/// A running peer; it ends with its standard input, and when dropped.
pub struct Peer {
    child: Child,
    stdin: ChildStdin,
    lines: Lines<BufReader<ChildStdout>>,
}

impl Peer {
    /// Starts a program of `tests/it/peers/`.
    pub fn start(program: &str, arguments: &[&str]) -> Self {
        let mut child = command(program, arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("tests/run has installed the peers");
        Self {
            stdin: child.stdin.take().expect("it is piped"),
            lines: BufReader::new(child.stdout.take().expect("it is piped")).lines(),
            child,
        }
    }

    /// The next line that it prints.
    pub fn line(&mut self) -> String {
        let line = self.lines.next().expect("the peer goes on");
        line.expect("it is text")
    }

    /// Says a line to it.
    pub fn say(&mut self, line: &str) {
        writeln!(self.stdin, "{line}").expect("the peer reads");
    }

    /// Where it says that it listens.
    pub fn address(&mut self) -> SocketAddr {
        let line = self.line();
        let address = line.strip_prefix("listens on ").expect("an address");
        address.parse().expect("an address")
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Runs a program of `tests/it/peers/` to its end; what it printed.
pub fn run(program: &str, arguments: &[&str]) -> String {
    succeeded(&mut command(program, arguments))
}

/// Whether a program of `tests/it/peers/` runs to its end without a fault.
pub fn runs(program: &str, arguments: &[&str]) -> bool {
    let output = command(program, arguments).output();
    output.expect("tests/run has installed it").status.success()
}

/// A program that a package of `tests/it/peers/requirements.txt` brings.
pub fn tool(name: &str) -> Command {
    Command::new(installed(name))
}

/// Runs a command that must succeed; what it printed.
pub fn succeeded(command: &mut Command) -> String {
    let Output {
        status,
        stdout,
        stderr,
    } = command.output().expect("tests/run has installed it");
    let stdout = String::from_utf8_lossy(&stdout).into_owned();
    let stderr = String::from_utf8_lossy(&stderr);
    assert!(
        status.success(),
        "{command:?}: {status}\n{stdout}\n{stderr}"
    );
    stdout
}

fn command(program: &str, arguments: &[&str]) -> Command {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut command = tool("python");
    command
        .arg(root.join("tests/it/peers").join(program))
        .args(arguments);
    command
}

/// Where tests/run has put it; cargo's own target folder may be elsewhere.
fn installed(name: &str) -> PathBuf {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    root.join("target/peers/bin").join(name)
}

//! BIND as the primary server of one zone, on a free port of loopback; `dig` looks at it from outside.

pub mod role;

use std::{
    fs,
    net::{Ipv4Addr, SocketAddr, TcpListener, UdpSocket},
    path::Path,
    process::{Child, Command, Stdio},
    time::Duration,
};

use tempfile::TempDir;

use super::eventually;

/// The zone that every such server holds.
pub const ZONE: &str = "example.test.";

/// The keys that the server knows: two that may change the zone, and one that may not.
pub const KEYS: [(&str, &str); 3] = [
    ("mover", "hmac-sha256"),
    ("mover512", "hmac-sha512"),
    ("stranger", "hmac-sha256"),
];

/// What every key's secret is, before its Base64.
pub const SECRET: &[u8; 32] = b"0123456789abcdef0123456789abcdef";
pub const SECRET_BASE64: &str = "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=";

/// A running server.
pub struct Bind {
    pub address: SocketAddr,
    child: Child,
    _directory: TempDir,
}

impl Bind {
    /// Starts one whose zone holds these records beside what every zone has to hold.
    pub fn start(records: &str) -> Self {
        let directory = TempDir::new().expect("a directory");
        let address = free_address();
        fs::write(directory.path().join("zone"), zone_file(records)).expect("it can be written");
        let configuration = directory.path().join("named.conf");
        let content = content(&directory.path().to_string_lossy(), address.port());
        fs::write(&configuration, content).expect("it can be written");
        let child = named(&configuration);
        let server = Self {
            address,
            child,
            _directory: directory,
        };
        let soa = || (!server.dig("@", "SOA").is_empty()).then_some(());
        eventually("BIND answers", Duration::from_secs(20), soa);
        server
    }

    /// As [`dig`].
    pub fn dig(&self, name: &str, kind: &str) -> Vec<String> {
        dig(self.address, name, kind)
    }
}

impl Drop for Bind {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The records of a name within the zone, sorted, each as `TTL TYPE DATA`.
pub fn dig(server: SocketAddr, name: &str, kind: &str) -> Vec<String> {
    let name = match name {
        "@" => ZONE.to_owned(),
        name => format!("{name}.{ZONE}"),
    };
    let port = server.port().to_string();
    let output = Command::new("dig")
        .args(["@127.0.0.1", "-p", &port, &name, kind])
        .args(["+noall", "+answer", "+norecurse", "+tries=1", "+time=1"])
        .output()
        .expect("dig is installed: run tests/run once");
    let text = String::from_utf8(output.stdout).expect("it is text");
    let line = |line: &str| {
        let words: Vec<&str> = line.split_ascii_whitespace().collect();
        // NAME TTL IN TYPE DATA
        let (ttl, rest) = (words.get(1)?, words.get(3..)?);
        Some(format!("{ttl} {}", rest.join(" ")))
    };
    let lines = text.lines().filter(|it| !it.starts_with(';'));
    let mut records: Vec<String> = lines.filter_map(line).collect();
    records.sort();
    records
}

/// The zone as a file, with these records beside what every zone has to hold.
pub fn zone_file(records: &str) -> String {
    format!(
        "$ORIGIN {ZONE}\n$TTL 3600\n@ IN SOA ns hostmaster 1 3600 600 86400 5\n@ IN NS ns\n\
         ns IN A 127.0.0.1\n{records}\n"
    )
}

/// Starts BIND with a configuration; it ends with the thread of the test, should that be killed.
fn named(configuration: &Path) -> Child {
    Command::new("setpriv")
        .args(["--pdeathsig", "KILL", "named", "-g", "-n", "1", "-c"])
        .arg(configuration)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("BIND is installed: run tests/run once")
}

/// A port that is free for both protocols.
pub fn free_address() -> SocketAddr {
    eventually("a free port", Duration::from_secs(5), || {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).ok()?;
        let address = listener.local_addr().ok()?;
        UdpSocket::bind(address).ok().map(|_| address)
    })
}

fn content(directory: &str, port: u16) -> String {
    let keys: String = KEYS
        .iter()
        .map(|(name, algorithm)| {
            format!("key {name} {{ algorithm {algorithm}; secret \"{SECRET_BASE64}\"; }};\n")
        })
        .collect();
    format!(
        "{keys}controls {{}};\n\
         options {{ directory \"{directory}\"; pid-file \"{directory}/pid\"; \
         session-keyfile \"{directory}/session.key\"; managed-keys-directory \"{directory}\"; \
         listen-on port {port} {{ 127.0.0.1; }}; listen-on-v6 {{ none; }}; \
         dnssec-validation no; recursion no; notify no; }};\n\
         zone \"{ZONE}\" {{ type primary; file \"{directory}/zone\"; update-policy {{ \
         grant mover zonesub A AAAA CNAME HTTPS; grant mover512 zonesub A AAAA CNAME HTTPS; }}; }};\n"
    )
}

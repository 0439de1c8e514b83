//! PowerDNS as the primary server of one zone, with its HTTP API, on free ports of loopback.

use std::{
    fs,
    net::SocketAddr,
    process::{Child, Command, Stdio},
    time::Duration,
};

use rusqlite::Connection;
use tempfile::TempDir;

use super::{
    bind::{ZONE, dig, free_address, zone_file},
    eventually,
    peers::succeeded,
};

/// The key of the API.
pub const KEY: &str = "the key of the API";

const SCHEMA: &str = "/usr/share/pdns-backend-sqlite3/schema/schema.sqlite3.sql";

/// A running server.
pub struct PowerDns {
    /// Where the API is.
    pub url: String,
    address: SocketAddr,
    child: Child,
    directory: TempDir,
}

impl PowerDns {
    /// Starts one whose zone holds these records beside what every zone has to hold.
    pub fn start(records: &str) -> Self {
        let directory = TempDir::new().expect("a directory");
        let (address, api) = (free_address(), free_address());
        let path = |name: &str| directory.path().join(name);
        let content = content(&directory.path().to_string_lossy(), address, api);
        fs::write(path("pdns.conf"), content).expect("it can be written");
        fs::write(path("zone"), zone_file(records)).expect("it can be written");
        let schema = fs::read_to_string(SCHEMA);
        let schema = schema.expect("pdns-backend-sqlite3 is installed: run tests/run once");
        let database = Connection::open(path("database")).expect("a database");
        database.execute_batch(&schema).expect("a schema");
        let configured = format!("--config-dir={}", directory.path().display());
        succeeded(
            Command::new("pdnsutil")
                .arg(&configured)
                .args(["load-zone", ZONE.trim_end_matches('.')])
                .arg(path("zone")),
        );
        // It ends with the thread of the test, should that be killed.
        let child = Command::new("setpriv")
            .args(["--pdeathsig", "KILL", "pdns_server", &configured])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("PowerDNS is installed: run tests/run once");
        let server = Self {
            url: format!("http://{api}"),
            address,
            child,
            directory,
        };
        eventually("PowerDNS answers", Duration::from_secs(20), || {
            let is_open = std::net::TcpStream::connect(api).is_ok();
            (is_open && !server.dig("@", "SOA").is_empty()).then_some(())
        });
        server
    }

    /// As [`dig`].
    pub fn dig(&self, name: &str, kind: &str) -> Vec<String> {
        dig(self.address, name, kind)
    }

    /// Changes the server's database behind its back.
    pub fn sql(&self, statement: &str) {
        let database = Connection::open(self.directory.path().join("database"));
        let database = database.expect("a database");
        let changed = database.execute(statement, []).expect("a statement");
        assert!(changed > 0, "{statement}");
    }
}

impl Drop for PowerDns {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Without caches, so that what is looked at is what is there.
fn content(directory: &str, address: SocketAddr, api: SocketAddr) -> String {
    let (ip, port, api_port) = (address.ip(), address.port(), api.port());
    format!(
        "launch=gsqlite3\ngsqlite3-database={directory}/database\nsocket-dir={directory}\n\
         local-address={ip}\nlocal-port={port}\napi=yes\napi-key={KEY}\nwebserver=yes\n\
         webserver-address={ip}\nwebserver-port={api_port}\nwebserver-allow-from=127.0.0.0/8\n\
         cache-ttl=0\nquery-cache-ttl=0\nnegquery-cache-ttl=0\nzone-cache-refresh-interval=0\n\
         daemon=no\nguardian=no\nsecurity-poll-suffix=\n"
    )
}

//! Knot as the primary server of one zone, on a free port of loopback.

use std::{
    fs,
    net::SocketAddr,
    process::{Child, Command, Stdio},
    time::Duration,
};

use tempfile::TempDir;

use super::{
    bind::{SECRET_BASE64, ZONE, dig, free_address, zone_file},
    eventually,
};

/// A running server that takes updates signed by the key `mover`.
pub struct Knot {
    pub address: SocketAddr,
    child: Child,
    _directory: TempDir,
}

impl Knot {
    /// Starts one whose zone holds these records beside what every zone has to hold.
    pub fn start(records: &str) -> Self {
        let directory = TempDir::new().expect("a directory");
        let address = free_address();
        let path = |name: &str| directory.path().join(name);
        fs::write(path("zone"), zone_file(records)).expect("it can be written");
        let content = content(&directory.path().to_string_lossy(), address);
        fs::write(path("knot.conf"), content).expect("it can be written");
        // It ends with the thread of the test, should that be killed.
        let child = Command::new("setpriv")
            .args(["--pdeathsig", "KILL", "knotd", "-c"])
            .arg(path("knot.conf"))
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("Knot is installed: run tests/run once");
        let server = Self {
            address,
            child,
            _directory: directory,
        };
        let soa = || (!server.dig("@", "SOA").is_empty()).then_some(());
        eventually("Knot answers", Duration::from_secs(20), soa);
        server
    }

    /// As [`dig`].
    pub fn dig(&self, name: &str, kind: &str) -> Vec<String> {
        dig(self.address, name, kind)
    }
}

impl Drop for Knot {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn content(directory: &str, address: SocketAddr) -> String {
    let (ip, port) = (address.ip(), address.port());
    format!(
        "server:\n    rundir: {directory}\n    listen: {ip}@{port}\n\
         database:\n    storage: {directory}\n\
         key:\n  - id: mover\n    algorithm: hmac-sha256\n    secret: {SECRET_BASE64}\n\
         acl:\n  - id: update\n    key: mover\n    action: update\n\
         zone:\n  - domain: {ZONE}\n    storage: {directory}\n    file: zone\n    acl: update\n"
    )
}

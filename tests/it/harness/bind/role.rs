//! BIND in every role of a namespace of our own: a root that delegates, two servers of the zone on the same port of both loopback
//! families, and a resolver before them.

use std::{
    fs,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener, UdpSocket},
    process::{Child, Command},
    time::Duration,
};

use tempfile::TempDir;

use super::{ZONE, eventually, free_address, named};

/// What the root delegates. A server of `away.test` is found through `hosted.net` only, since it has no glue.
const DELEGATIONS: &str = "example.test. IN NS ns1.example.test.\nexample.test. IN NS ns2.example.test.\n\
    ns1.example.test. IN A 127.0.0.1\nns2.example.test. IN AAAA ::1\n\
    other.test. IN NS ns1.example.test.\nhosted.net. IN NS ns1.example.test.\n\
    away.test. IN NS ns.hosted.net.\n";

/// What the zone's own servers hold beside its records.
const SERVERS: &str = "@ IN NS ns1\n@ IN NS ns2\nns1 IN A 127.0.0.1\nns2 IN AAAA ::1\n";

/// A running server of any role.
pub struct Named {
    pub address: SocketAddr,
    child: Child,
    _directory: TempDir,
}

/// A zone and its records, beside SOA; what else its statement in the configuration has.
pub struct Zone<'z> {
    pub name: &'z str,
    pub records: &'z str,
    pub statement: &'z str,
}

/// A root, and two servers of the zone that it delegates: on 127.0.0.1 and on ::1, each with a copy of its own, so that the
/// second one can be stale.
pub struct Namespace {
    pub root: Named,
    pub primary: Named,
    pub secondary: Named,
}

impl Namespace {
    /// Both servers hold the zone with these records.
    pub fn start(records: &str) -> Self {
        Self::differing(records, records)
    }

    /// The one on ::1 holds others.
    pub fn differing(primary: &str, secondary: &str) -> Self {
        let (primary, secondary) = (zone(primary, ""), zone(secondary, ""));
        Self::of("", &[primary.as_zone()], &[secondary.as_zone()])
    }

    /// With what the root holds beside its delegations, and the zones of each server.
    pub fn of(root: &str, primary: &[Zone<'_>], secondary: &[Zone<'_>]) -> Self {
        let port = free_port();
        let root = format!("@ IN NS ns.root.\nns.root. IN A 127.0.0.1\n{DELEGATIONS}{root}");
        let root = Zone {
            name: ".",
            records: &root,
            statement: "",
        };
        let at = |ip: IpAddr| SocketAddr::new(ip, port);
        Self {
            root: Named::start(free_address(), &[root], "recursion no;"),
            primary: Named::start(at(Ipv4Addr::LOCALHOST.into()), primary, "recursion no;"),
            secondary: Named::start(at(Ipv6Addr::LOCALHOST.into()), secondary, "recursion no;"),
        }
    }

    /// The port of the zone's servers.
    pub const fn port(&self) -> u16 {
        self.primary.address.port()
    }

    /// A resolver that asks the primary, and keeps every answer for 90 seconds at least.
    pub fn clamping_resolver(&self) -> Named {
        let port = self.port();
        let options = format!(
            "recursion yes; min-cache-ttl 90; forward only; forwarders {{ 127.0.0.1 port {port}; }};"
        );
        Named::start(free_address(), &[], &options)
    }
}

/// The zone that tests look at, with the records of its servers.
pub struct Content {
    records: String,
    statement: &'static str,
}

/// The zone with these records beside its servers', and this in its statement.
pub fn zone(records: &str, statement: &'static str) -> Content {
    Content {
        records: format!("{SERVERS}{records}\n"),
        statement,
    }
}

impl Content {
    pub fn as_zone(&self) -> Zone<'_> {
        Zone {
            name: ZONE,
            records: &self.records,
            statement: self.statement,
        }
    }
}

impl Named {
    /// A server of the zone on ::1 that copies it from `primary`, once, when it starts: nobody tells it of changes.
    pub fn secondary_of(primary: SocketAddr) -> Self {
        let directory = TempDir::new().expect("a directory");
        let (ip, port) = (primary.ip(), primary.port());
        let statement = format!(
            "zone \"{ZONE}\" {{ type secondary; file \"{}/zone\"; primaries {{ {ip} port {port}; }}; }};\n",
            directory.path().display()
        );
        let address = SocketAddr::from((Ipv6Addr::LOCALHOST, port));
        let server = Self::run(directory, address, ("recursion no;", &statement));
        eventually("the zone is copied", Duration::from_secs(20), || {
            let answer = server.dig(ZONE, "SOA", &[]);
            answer.contains("status: NOERROR").then_some(())
        });
        server
    }

    /// Starts one, and waits until it answers, be it that it refuses.
    pub fn start(address: SocketAddr, zones: &[Zone<'_>], options: &str) -> Self {
        let directory = TempDir::new().expect("a directory");
        let path = directory.path().to_string_lossy().into_owned();
        let mut statements = Vec::new();
        for (index, zone) in zones.iter().enumerate() {
            let file = format!("{path}/zone{index}");
            let (name, records) = (zone.name, zone.records);
            let content = format!(
                "$ORIGIN {name}\n$TTL 3600\n@ IN SOA ns1.example.test. hostmaster.example.test. 1 3600 600 86400 5\n\
                 {records}\n"
            );
            fs::write(&file, content).expect("it can be written");
            statements.push(format!(
                "zone \"{name}\" {{ type primary; file \"{file}\"; {} }};\n",
                zone.statement
            ));
        }
        let server = Self::run(directory, address, (options, &statements.concat()));
        let name = zones.first().map_or(ZONE, |it| it.name);
        eventually("BIND answers", Duration::from_secs(20), || {
            let answer = server.dig(name, "SOA", &[]);
            let statuses = ["status: NOERROR", "status: REFUSED"];
            statuses.iter().any(|it| answer.contains(it)).then_some(())
        });
        server
    }

    fn run(directory: TempDir, address: SocketAddr, (options, statements): (&str, &str)) -> Self {
        let path = directory.path().to_string_lossy().into_owned();
        let configuration = directory.path().join("named.conf");
        let content = options_statement(&path, address, options) + statements;
        fs::write(&configuration, content).expect("it can be written");
        let child = named(&configuration);
        Self {
            address,
            child,
            _directory: directory,
        }
    }

    /// What `dig` prints.
    pub fn dig(&self, name: &str, kind: &str, options: &[&str]) -> String {
        let (server, port) = (self.address.ip(), self.address.port().to_string());
        let output = Command::new("dig")
            .args([&format!("@{server}"), "-p", &port, name, kind])
            .args(["+tries=1", "+time=1"])
            .args(options)
            .output()
            .expect("dig is installed: run tests/run once");
        String::from_utf8(output.stdout).expect("it is text")
    }

    /// Ends it at once.
    pub fn kill(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Drop for Named {
    fn drop(&mut self) {
        self.kill();
    }
}

fn options_statement(directory: &str, address: SocketAddr, options: &str) -> String {
    let (ip, port) = (address.ip(), address.port());
    let (v4, v6) = match ip {
        IpAddr::V4(_) => (format!("{ip};"), "none;".to_owned()),
        IpAddr::V6(_) => ("none;".to_owned(), format!("{ip};")),
    };
    format!(
        "controls {{}};\n\
         options {{ directory \"{directory}\"; pid-file \"{directory}/pid\"; \
         session-keyfile \"{directory}/session.key\"; managed-keys-directory \"{directory}\"; \
         listen-on port {port} {{ {v4} }}; listen-on-v6 port {port} {{ {v6} }}; \
         dnssec-validation no; notify no; empty-zones-enable no; {options} }};\n"
    )
}

/// A port that is free for both protocols of both families.
pub fn free_port() -> u16 {
    eventually("a free port", Duration::from_secs(5), || {
        let port = free_address().port();
        let address = SocketAddr::from((Ipv6Addr::LOCALHOST, port));
        let _tcp = TcpListener::bind(address).ok()?;
        UdpSocket::bind(address).ok().map(|_| port)
    })
}

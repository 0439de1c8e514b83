//! Two PostgreSQL clusters of Debian's package, in a temporary folder and on free ports, one replicating to the other.
//!
//! Clusters are copies of two that are made once and kept with what is built: making one costs ten times as much as copying
//! it. They run as somebody who is not root, keep nothing on disk for good, and end with the test. The database `shop` has a
//! table `item` and what `docs/replication.md` creates: the role `changeover`, its heartbeat and the publication.

use std::{
    fs,
    os::unix::fs::{PermissionsExt, chown},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::Duration,
};

use rustix::process::{Pid, Signal, kill_process};
use sha2::{Digest, Sha256};
use tempfile::TempDir;

use super::{
    environment::signal_process, eventually, free_port, peers::succeeded, secure::Authority,
};

/// Nobody, on Debian: what root runs a cluster as.
const NOBODY: u32 = 65_534;

/// What fast clusters for tests are configured with.
const SETTINGS: &[&str] = &[
    "listen_addresses=127.0.0.1",
    "unix_socket_directories=",
    "fsync=off",
    "full_page_writes=off",
    "shared_buffers=16MB",
    "max_connections=40",
    "autovacuum=off",
    "track_commit_timestamp=on",
    "wal_retrieve_retry_interval=100ms",
    "wal_receiver_status_interval=1s",
    "log_min_messages=warning",
];

/// Whoever is asked for a password, and the others, who are not.
const HBA: &str =
    "host all with_password 127.0.0.1/32 scram-sha-256\nhost all all 127.0.0.1/32 trust\n";

/// Whoever is not the administrator is asked for a password.
const STRICT_HBA: &str =
    "host all postgres 127.0.0.1/32 trust\nhost all all 127.0.0.1/32 scram-sha-256\n";

/// What a server has to say so that changes can be carried over.
const LOGICAL: &str = "wal_level=logical";

/// What both databases have.
pub const SCHEMA: &str = "CREATE TABLE item (id int PRIMARY KEY, note text NOT NULL);
    CREATE TABLE marker (id int PRIMARY KEY, at timestamptz NOT NULL DEFAULT clock_timestamp());
    CREATE SCHEMA changeover;
    CREATE TABLE changeover.heartbeat (
        direction text PRIMARY KEY, beat_at timestamptz NOT NULL);";

/// What the role of the watch may do, on each side.
pub const ROLE: &str = "CREATE ROLE changeover LOGIN;
    GRANT USAGE ON SCHEMA changeover TO changeover;
    GRANT SELECT, UPDATE ON changeover.heartbeat TO changeover;";

/// The database of the tests.
pub const DATABASE: &str = "shop";

/// One running cluster; it ends when dropped.
pub struct Cluster {
    pub port: u16,
    postmaster: Child,
    is_stopped: bool,
    home: TempDir,
    settings: Vec<String>,
}

impl Cluster {
    /// Starts an empty one with further settings.
    pub fn start(settings: &[&str]) -> Self {
        Self::start_in(copy_of(&blank()), logical(settings))
    }

    /// Starts an empty one that nothing is prepared on: changes cannot be carried over, and passwords are asked for.
    pub fn start_bare() -> Self {
        let home = copy_of(&blank());
        fs::write(home.path().join("data/pg_hba.conf"), STRICT_HBA).expect("it is there");
        Self::start_in(home, Vec::new())
    }

    /// Starts an empty one that speaks TLS, with a certificate for `name`.
    pub fn start_with_tls(authority: &Authority, name: &str) -> Self {
        let home = copy_of(&blank());
        let (chain, key) = authority.issue_pem(name);
        let mut settings = logical(&["ssl=on"]);
        for (setting, file, content) in [
            ("ssl_cert_file", "server.pem", chain),
            ("ssl_key_file", "server.key", key),
        ] {
            let path = home.path().join(file);
            fs::write(&path, content).expect("writable");
            fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).expect("it is ours");
            own(&path);
            settings.push(format!("{setting}={}", path.display()));
        }
        Self::start_in(home, settings)
    }

    fn start_in(home: TempDir, settings: Vec<String>) -> Self {
        let cluster = Self::begin_in(home, settings);
        cluster.wait_ready();
        cluster
    }

    fn begin_in(home: TempDir, settings: Vec<String>) -> Self {
        let port = free_port();
        let postmaster = start_postmaster(&home.path().join("data"), port, &settings);
        Self {
            port,
            postmaster,
            is_stopped: false,
            home,
            settings,
        }
    }

    /// What one statement, or several, say: fields separated by `|`, no headings.
    pub fn sql(&self, database: &str, sql: &str) -> String {
        succeeded(self.psql(database).args(["-c", sql]))
            .trim()
            .to_owned()
    }

    /// As [`Cluster::sql`], in the tests' database.
    pub fn shop(&self, sql: &str) -> String {
        self.sql(DATABASE, sql)
    }

    /// `psql` as the superuser, to be given a statement or its standard input.
    pub fn psql(&self, database: &str) -> Command {
        let mut command = Command::new("psql");
        command
            .args(["-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1"])
            .args(["-h", "127.0.0.1", "-p"])
            .arg(self.port.to_string())
            .args(["-U", "postgres", "-d", database]);
        command
    }

    /// The URL of a database for the configuration.
    pub fn url(&self, user: &str) -> String {
        let port = self.port;
        format!("postgres://{user}@127.0.0.1:{port}/{DATABASE}?sslmode=disable")
    }

    /// What another server connects with.
    pub fn connection(&self) -> String {
        let port = self.port;
        format!("host=127.0.0.1 port={port} user=postgres dbname={DATABASE}")
    }

    /// Where its data are.
    pub fn data(&self) -> PathBuf {
        self.home.path().join("data")
    }

    /// The pid of its postmaster.
    pub fn pid(&self) -> u32 {
        self.postmaster.id()
    }

    /// The pids of all its processes, the postmaster first.
    pub fn pids(&self) -> Vec<u32> {
        let path = format!("/proc/{0}/task/{0}/children", self.pid());
        let children = fs::read_to_string(path).unwrap_or_default();
        let children = children.split_whitespace().filter_map(|it| it.parse().ok());
        [self.pid()].into_iter().chain(children).collect()
    }

    /// Freezes all of it: connections stay open and are not answered.
    pub fn freeze(&mut self) {
        // The postmaster first, so that it starts nobody else.
        self.signal_all(Signal::STOP);
        self.is_stopped = true;
    }

    /// Lets it go on.
    pub fn thaw(&mut self) {
        self.signal_all(Signal::CONT);
        self.is_stopped = false;
    }

    fn signal_all(&self, signal: Signal) {
        for pid in self.pids() {
            let pid = i32::try_from(pid).ok().and_then(Pid::from_raw);
            // One that has ended meanwhile was a child of the postmaster's, which has not waited for it before.
            let _ = kill_process(pid.expect("a process"), signal);
        }
    }

    /// Ends it at once, as a crash does.
    pub fn crash(&mut self) {
        signal_process(self.pid(), Signal::QUIT);
        self.postmaster.wait().expect("it is ours");
    }

    /// Ends it in order, so that its files can be copied.
    fn shut_down(mut self) -> TempDir {
        signal_process(self.pid(), Signal::INT);
        self.postmaster.wait().expect("it is ours");
        std::mem::replace(&mut self.home, TempDir::new().expect("a temporary folder"))
    }

    /// Starts it again on its port.
    pub fn restart(&mut self) {
        self.postmaster = start_postmaster(&self.data(), self.port, &self.settings);
        self.wait_ready();
    }

    fn wait_ready(&self) {
        eventually("the cluster answers", Duration::from_secs(20), || {
            let mut look = self.psql("postgres");
            look.args(["-c", "SELECT 1"]).stderr(Stdio::null());
            let output = look.output().expect("psql is installed");
            output.status.success().then_some(())
        });
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        if let Ok(None) = self.postmaster.try_wait() {
            if self.is_stopped {
                self.thaw();
            }
            self.crash();
        }
    }
}

/// Two clusters with the same schema.
pub struct Pair {
    pub old: Cluster,
    pub new: Cluster,
}

impl Pair {
    /// Starts both at once, with the schema and the role, and without replication.
    pub fn start() -> Self {
        Self::start_with(&[], &[])
    }

    /// As [`Pair::start`], with further settings of each.
    pub fn start_with(old: &[&str], new: &[&str]) -> Self {
        // By this thread, since they end with the one that starts them.
        let start = |settings| Cluster::begin_in(copy_of(&shop()), logical(settings));
        let (old, new) = (start(old), start(new));
        for cluster in [&old, &new] {
            cluster.wait_ready();
        }
        Self { old, new }
    }

    /// Starts both, and replication from old to new; returns once everything is copied.
    pub fn replicating() -> Self {
        let pair = Self::start();
        pair.replicate();
        pair
    }

    /// Begins to replicate from old to new, and waits until everything is copied.
    pub fn replicate(&self) {
        self.old.shop(
            "INSERT INTO changeover.heartbeat VALUES
                ('forward', clock_timestamp()), ('reverse', clock_timestamp());
             CREATE PUBLICATION changeover FOR ALL TABLES;",
        );
        let connection = self.old.connection();
        self.new.shop(&format!(
            "CREATE SUBSCRIPTION changeover CONNECTION '{connection}' PUBLICATION changeover"
        ));
        eventually("every table is copied", Duration::from_secs(20), || {
            let sql = "SELECT count(*) FROM pg_subscription_rel WHERE srsubstate <> 'r'";
            (self.new.shop(sql) == "0").then_some(())
        });
    }

    /// The `[[replication]]` table of a configuration that watches them, as the role of the watch.
    pub fn configuration(&self, name: &str) -> String {
        let (old, new) = (self.old.url("changeover"), self.new.url("changeover"));
        format!(
            "[[replication]]\nname = \"{name}\"\nkind = \"postgres\"\nold = \"{old}\"\nnew = \"{new}\"\n"
        )
    }
}

/// These settings, of a server whose changes can be carried over.
fn logical(settings: &[&str]) -> Vec<String> {
    let all = [LOGICAL].into_iter().chain(settings.iter().copied());
    all.map(str::to_owned).collect()
}

/// A cluster with nothing in it, to be copied.
fn blank() -> PathBuf {
    kept(&format!("blank {HBA}"), initialised)
}

/// A cluster with the database of the tests, the schema and the role, to be copied.
fn shop() -> PathBuf {
    kept(&format!("shop {HBA} {SCHEMA} {ROLE}"), || {
        let cluster = Cluster::start(&[]);
        cluster.sql("postgres", &format!("CREATE DATABASE {DATABASE}"));
        cluster.shop(&format!("{SCHEMA} {ROLE}"));
        cluster.shut_down()
    })
}

/// The folder that holds what `make` makes, made now if it is not there; `recipe` is everything that it depends on but the
/// server's version.
fn kept(recipe: &str, make: impl FnOnce() -> TempDir) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR"));
    let digest = Sha256::digest(format!("{recipe} {}", programs().display()));
    let place = folder.join(format!("postgres-{}", hex::encode(&digest[..8])));
    if !place.exists() {
        let made = make();
        let copy = TempDir::new_in(folder).expect("it is cargo's for us");
        copy_into(&made.path().join("data"), copy.path());
        // Another test, or another run of them, may have been faster.
        if fs::rename(copy.path(), &place).is_ok() {
            drop(copy.keep());
        }
    }
    place
}

/// A temporary folder with a copy of a kept cluster in it.
fn copy_of(kept: &Path) -> TempDir {
    let home = TempDir::new().expect("a temporary folder");
    own(home.path());
    copy_into(&kept.join("data"), home.path());
    home
}

/// With its owner, who is not root.
fn copy_into(folder: &Path, target: &Path) {
    let mut copy = Command::new("cp");
    succeeded(
        copy.args(["--archive", "--reflink=auto"])
            .arg(folder)
            .arg(target),
    );
}

/// A temporary folder with a new cluster in it.
fn initialised() -> TempDir {
    let home = TempDir::new().expect("a temporary folder");
    own(home.path());
    let data = home.path().join("data");
    let mut initdb = command("initdb", None);
    initdb
        .args(["-U", "postgres", "-A", "trust", "-E", "UTF8", "--locale=C"])
        .args(["--no-sync", "--no-instructions", "-D"])
        .arg(&data);
    succeeded(&mut initdb);
    fs::write(data.join("pg_hba.conf"), HBA).expect("it is there");
    home
}

fn start_postmaster(data: &Path, port: u16, settings: &[String]) -> Child {
    // It ends with the test's thread, also if the test is killed.
    let mut command = command("postgres", Some("QUIT"));
    command.arg("-D").arg(data).arg("-p").arg(port.to_string());
    let settings = settings.iter().map(String::as_str);
    for setting in SETTINGS.iter().copied().chain(settings) {
        command.args(["-c", setting]);
    }
    let log = fs::File::create(data.join("log")).expect("it is there");
    command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(log)
        .spawn()
        .expect("it is installed")
}

/// A program of the newest version of PostgreSQL that is installed, run by somebody who is not root.
fn command(program: &str, dies_with_parent: Option<&str>) -> Command {
    let mut command = Command::new("setpriv");
    if rustix::process::geteuid().is_root() {
        let id = NOBODY.to_string();
        command.args(["--reuid", &id, "--regid", &id, "--clear-groups"]);
    }
    if let Some(signal) = dies_with_parent {
        command.args(["--pdeathsig", signal]);
    }
    // It may not even look into the folder that the tests run in.
    command
        .arg("--")
        .arg(programs().join(program))
        .current_dir("/");
    command
}

/// Where Debian keeps the servers' programs: in a folder for each version.
fn programs() -> PathBuf {
    let versions = fs::read_dir("/usr/lib/postgresql").expect("tests/run has installed it");
    let versions = versions.filter_map(|it| it.ok()?.file_name().into_string().ok()?.parse().ok());
    let newest: u32 = versions.max().expect("tests/run has installed it");
    PathBuf::from(format!("/usr/lib/postgresql/{newest}/bin"))
}

fn own(path: &Path) {
    if rustix::process::geteuid().is_root() {
        chown(path, Some(NOBODY), Some(NOBODY)).expect("root may");
    }
}

//! The real binary, started with a configuration file in a folder of its own.

use std::{
    fs,
    io::{BufRead, BufReader, Read},
    net::SocketAddr,
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Output, Stdio},
    sync::{Arc, Mutex},
    thread,
    time::Duration,
};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};
use tempfile::TempDir;

use super::{admin, environment::signal_process, eventually};

/// A running `changeover serve`; killed when dropped.
pub struct Proxy {
    /// Where clients connect, in the order of the configuration.
    pub listeners: Vec<SocketAddr>,
    /// Where the admin API is.
    pub admin: SocketAddr,
    child: Child,
    log: Arc<Mutex<String>>,
    folder: Folder,
}

/// A folder with a configuration and a journal, which outlives the process that uses it.
#[derive(Clone)]
pub struct Folder(Arc<TempDir>);

impl Folder {
    /// An empty one.
    pub fn new() -> Self {
        Self(Arc::new(TempDir::new().expect("a temporary folder")))
    }

    pub fn path(&self) -> &Path {
        self.0.path()
    }

    /// Every process that was started with its configuration.
    pub fn processes(&self) -> Vec<u32> {
        let path = self.path().join("changeover.toml");
        let path = path.as_os_str().as_encoded_bytes();
        let names_it = |pid: &u32| {
            let line = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
            line.split(|it| *it == 0).any(|it| it == path)
        };
        let entries = fs::read_dir("/proc").expect("Linux").flatten();
        let pids = entries.filter_map(|it| it.file_name().to_str()?.parse().ok());
        pids.filter(names_it).collect()
    }

    /// `kill -9` for each of them, and the wait for their end.
    pub fn kill_processes(&self) {
        eventually("nobody serves", Duration::from_secs(10), || {
            let pids = self.processes();
            for pid in &pids {
                let pid = i32::try_from(*pid).ok().and_then(Pid::from_raw);
                // It may have ended this moment.
                let _ = kill_process(pid.expect("a process"), Signal::KILL);
            }
            pids.is_empty().then_some(())
        });
        self.wait_until_nobody_serves();
    }

    /// Waits for the end of each of them.
    pub fn wait_until_nobody_serves(&self) {
        eventually("nobody serves", Duration::from_secs(10), || {
            self.processes().is_empty().then_some(())
        });
        // One that is ending has no command line any more, and may still hold the journal.
        eventually("nobody holds the journal", Duration::from_secs(10), || {
            let lock = fs::File::open(self.path().join("it.db.lock"));
            lock.map_or(Some(()), |it| it.try_lock().ok())
        });
    }

    /// Writes a file into it.
    pub fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.path().join(name);
        fs::write(&path, text).expect("the folder is writable");
        path
    }
}

/// For [`configuration`]: clients keep their sides by a header, also when they write. No verdict may move anybody while it is counted who is where: on a busy machine new may well be slower than old.
pub const STICKY: &str = r#"
[split]
sticky = "header:x-client"
writes = "split"
[evidence]
false_alarms = 0
[[trigger]]
name = "never"
reading = "error_rate"
above = "99%"
"#;

/// A configuration with everything on loopback and ports that the kernel chooses; `more` is added to it.
pub fn configuration(old: &str, new: &str, more: &str) -> String {
    format!(
        r#"name = "it"
[store]
url = "sqlite:it.db"
[admin]
address = "127.0.0.1:0"
[[listener]]
address = "127.0.0.1:0"
[old]
endpoints = ["{old}"]
[new]
endpoints = ["{new}"]
{more}"#
    )
}

impl Proxy {
    /// Starts `serve` with this configuration and waits until it is ready.
    pub fn start(configuration: &str) -> Self {
        let folder = Folder::new();
        folder.write("changeover.toml", configuration);
        Self::start_in(&folder)
    }

    /// Starts `serve` with the configuration in `folder`.
    pub fn start_in(folder: &Folder) -> Self {
        let command = Command::new(env!("CARGO_BIN_EXE_changeover"));
        Self::start_with(command, folder)
    }

    /// Starts `serve` through `command`, which ends in the binary's path.
    pub fn start_with(mut command: Command, folder: &Folder) -> Self {
        let mut child = command
            .args(["serve", "--config"])
            .arg(folder.path().join("changeover.toml"))
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the binary starts");
        let log = Arc::new(Mutex::new(String::new()));
        collect(child.stdout.take().expect("it is piped"), &log);
        collect(child.stderr.take().expect("it is piped"), &log);
        let mut proxy = Self {
            listeners: Vec::new(),
            admin: SocketAddr::from(([0, 0, 0, 0], 0)),
            child,
            log,
            folder: folder.clone(),
        };
        proxy.wait_until_ready();
        proxy
    }

    fn wait_until_ready(&mut self) {
        let limit = Duration::from_secs(20);
        let admin = eventually("the admin address is printed", limit, || {
            let ended = self.child.try_wait().expect("it is ours");
            assert!(ended.is_none(), "serve ended: {}", self.log());
            let log = self.log();
            let plain = addresses(&log, "admin API on http://").pop();
            plain.or_else(|| addresses(&log, "admin API on https://").pop())
        });
        self.admin = admin;
        self.listeners = addresses(&self.log(), "listening on http://");
        self.listeners
            .extend(addresses(&self.log(), "listening on https://"));
        // Over TLS each test has its own client, and asks itself.
        if self.log().contains("admin API on https://") {
            return;
        }
        eventually("it is ready", limit, || {
            let answer = admin::try_call(admin, "GET", "/readyz", "");
            answer.is_ok_and(|(status, _)| status == 200).then_some(())
        });
    }

    /// The first listener.
    pub fn address(&self) -> SocketAddr {
        self.listeners[0]
    }

    pub fn folder(&self) -> Folder {
        self.folder.clone()
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Everything that it printed so far.
    pub fn log(&self) -> String {
        self.log.lock().expect("no panic").clone()
    }

    pub fn status(&self) -> Value {
        let text = admin::get(self.admin, "/api/v1/status");
        serde_json::from_str(&text).expect("JSON")
    }

    /// Waits for a status. While another process takes over, a connection may be cut before its answer.
    pub fn status_when(&self, what: &str, limit: Duration, is: impl Fn(&Value) -> bool) -> Value {
        eventually(what, limit, || {
            let answer = admin::try_call(self.admin, "GET", "/api/v1/status", "");
            let (_, text) = answer.ok()?;
            let status = serde_json::from_str(&text).ok()?;
            Some(status).filter(|it| is(it))
        })
    }

    /// Every journal entry.
    pub fn events(&self) -> Vec<Value> {
        let mut events: Vec<Value> = Vec::new();
        loop {
            let after = events
                .last()
                .map_or(0, |it| it["seq"].as_u64().expect("a number"));
            let path = format!("/api/v1/events?after={after}");
            let page = admin::get(self.admin, &path);
            let page: Value = serde_json::from_str(&page).expect("JSON");
            match page["events"].as_array().expect("a list") {
                more if more.is_empty() => return events,
                more => events.extend(more.iter().cloned()),
            }
        }
    }

    /// Posts a command; the status code and the answer.
    pub fn post(&self, path: &str, body: &Value) -> (u16, String) {
        admin::call(self.admin, "POST", path, &body.to_string())
    }

    /// Posts a command that must be done.
    pub fn does(&self, path: &str, body: &Value) {
        let (status, answer) = self.post(path, body);
        assert!(status < 300, "{path}: {status} {answer}\n{}", self.log());
    }

    /// Sets the weight by hand, once the journal has what came before, which a busy disk delays.
    pub fn set_weight(&self, percent: f64) {
        let body = json!({ "percent": percent, "reason": "test" }).to_string();
        eventually("the weight is set", Duration::from_secs(10), || {
            let (status, answer) = admin::call(self.admin, "PUT", "/api/v1/weight", &body);
            let is_early = status == 409 && answer.contains("is not recorded yet");
            assert!(
                status < 300 || is_early,
                "weight {percent}: {status} {answer}"
            );
            (!is_early).then_some(())
        });
    }

    /// `kill -9`; the folder stays.
    pub fn kill(mut self) -> Folder {
        self.child.kill().expect("it is ours");
        self.child.wait().expect("it is ours");
        self.folder.clone()
    }

    pub fn signal(&self, signal: Signal) {
        signal_process(self.pid(), signal);
    }

    /// Has another process take over; its id.
    pub fn upgrade(&self) -> u32 {
        let (status, answer) = self.post("/api/v1/upgrade", &json!({}));
        assert_eq!(status, 200, "{answer}\n{}", self.log());
        let answer: Value = serde_json::from_str(&answer).expect("JSON");
        let pid = answer["pid"].as_u64().expect("a number");
        u32::try_from(pid).expect("an id")
    }

    /// What the first process exits with.
    pub fn wait(&mut self, limit: Duration) -> ExitStatus {
        eventually("the first process ends", limit, || {
            self.child.try_wait().expect("it is ours")
        })
    }

    /// Every process that serves this folder.
    pub fn processes(&self) -> Vec<u32> {
        self.folder.processes()
    }

    /// SIGTERM, and what it exits with.
    pub fn stop(mut self) -> (ExitStatus, String) {
        self.signal(Signal::TERM);
        let status = eventually("it stops", Duration::from_secs(40), || {
            self.child.try_wait().expect("it is ours")
        });
        (status, self.log())
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
        // One that took over is nobody's child.
        self.folder.kill_processes();
        if thread::panicking() {
            eprintln!("--- serve printed:\n{}---", self.log());
        }
    }
}

/// Runs one command of the binary to its end.
pub fn changeover(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_changeover"))
        .args(arguments)
        .stdin(Stdio::null())
        .output()
        .expect("the binary starts")
}

fn collect(pipe: impl Read + Send + 'static, log: &Arc<Mutex<String>>) {
    let log = Arc::clone(log);
    thread::spawn(move || {
        for line in BufReader::new(pipe).lines() {
            let Ok(line) = line else { return };
            let mut log = log.lock().expect("no panic");
            log.push_str(&line);
            log.push('\n');
        }
    });
}

/// The addresses that stand behind `words` in what was printed.
fn addresses(log: &str, words: &str) -> Vec<SocketAddr> {
    let rests = log.lines().filter_map(|line| line.split_once(words));
    let ends = |it: char| it == '/' || it.is_whitespace() || it == ',';
    rests
        .filter_map(|(_, rest)| rest.split(ends).next()?.parse().ok())
        .collect()
}

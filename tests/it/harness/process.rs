//! What a process holds, by the system's own account.

use std::{fs, time::Duration};

/// Memory and descriptors of one process.
#[derive(Clone, Copy, Debug, Default)]
pub struct Held {
    /// Resident memory.
    pub kib: u64,
    pub descriptors: u64,
}

/// What the process holds now.
pub fn held(pid: u32) -> Held {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).expect("it runs");
    let resident = status.lines().find_map(|it| it.strip_prefix("VmRSS:"));
    let kib = resident.and_then(|it| it.split_whitespace().next()?.parse().ok());
    let open = fs::read_dir(format!("/proc/{pid}/fd")).expect("it runs");
    Held {
        kib: kib.expect("a process has memory"),
        descriptors: u64::try_from(open.count()).expect("not so many"),
    }
}

/// What each descriptor of the process is; of a connection the line that the system has about it, with addresses, state and what
/// waits to be sent and read in hexadecimal digits (`proc_pid_net(5)`).
pub fn descriptors(pid: u32) -> Vec<String> {
    let connections = ["tcp", "tcp6"].map(|it| fs::read_to_string(format!("/proc/{pid}/net/{it}")));
    let connections = connections.map(Result::unwrap_or_default).join("");
    let open = fs::read_dir(format!("/proc/{pid}/fd")).expect("it runs");
    // It may be closed this moment.
    let targets = open
        .flatten()
        .filter_map(|it| fs::read_link(it.path()).ok());
    let described = targets.map(|it| {
        let target = it.display().to_string();
        let inode = target
            .strip_prefix("socket:[")
            .and_then(|it| it.strip_suffix(']'));
        let is_of = |line: &&str| line.split_whitespace().nth(9) == inode;
        let line = inode.and_then(|_| connections.lines().find(is_of));
        format!("{target} {}", line.unwrap_or_default().trim())
    });
    described.collect()
}

/// The CPU time that the process has used, in steps of 10 ms.
pub fn cpu(pid: u32) -> Duration {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).expect("it runs");
    let (_, rest) = stat.rsplit_once(')').expect("the name ends");
    let ticks = rest.split_whitespace().skip(11).take(2);
    let ticks: u64 = ticks.map(|it| it.parse::<u64>().expect("a number")).sum();
    Duration::from_millis(ticks * 10)
}

//! What a process holds, by the system's own account.

use std::fs;

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

//! A disk of its own that can be filled up: a tmpfs in a mount namespace of its own, so that no privilege is
//! needed and nothing of the machine is touched. It outlives the proxies that are started on it.

use std::{
    io::{BufRead, BufReader},
    path::{Path, PathBuf},
    process::{Child, ChildStdin, Command, Stdio},
};

use tempfile::TempDir;

use super::peers::succeeded;

/// A mounted disk; unmounted when dropped, since its namespace then ends.
pub struct Disk {
    holder: Child,
    _stdin: ChildStdin,
    mount_point: TempDir,
}

impl Disk {
    /// Mounts one of `kibibytes`.
    pub fn mount(kibibytes: u32) -> Self {
        let mount_point = TempDir::new().expect("a temporary folder");
        let script = r#"mount -t tmpfs -o "size=$1k" tmpfs "$0" && echo mounted && exec cat"#;
        let mut holder = Command::new("unshare")
            .args([
                "--user",
                "--map-root-user",
                "--mount",
                "--",
                "sh",
                "-c",
                script,
            ])
            .arg(mount_point.path())
            .arg(kibibytes.to_string())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("unshare is there");
        let stdin = holder.stdin.take().expect("it is piped");
        let stdout = holder.stdout.take().expect("it is piped");
        let line = BufReader::new(stdout).lines().next();
        let line = line.and_then(Result::ok).unwrap_or_default();
        assert_eq!(
            line, "mounted",
            "user namespaces are needed for a disk of its own"
        );
        Self {
            holder,
            _stdin: stdin,
            mount_point,
        }
    }

    /// Where it is mounted, as seen by [`Disk::command`]'s processes.
    pub fn path(&self) -> PathBuf {
        self.mount_point.path().to_owned()
    }

    /// A command that runs `program` with the disk in its place.
    pub fn command(&self, program: impl AsRef<Path>) -> Command {
        let mut command = Command::new("nsenter");
        command
            .args(["--preserve-credentials", "--user", "--mount", "--target"])
            .arg(self.holder.id().to_string())
            .arg("--")
            .arg(program.as_ref());
        command
    }

    /// Fills it up to the last byte.
    pub fn fill(&self) {
        let script = r#"dd if=/dev/zero of="$0/filler" bs=1k 2>/dev/null; dd if=/dev/zero of="$0/last" bs=1 2>/dev/null; true"#;
        succeeded(
            self.command("sh")
                .args(["-c", script])
                .arg(self.mount_point.path()),
        );
    }

    /// Makes room again.
    pub fn make_room(&self) {
        let script = r#"rm -f "$0/filler" "$0/last""#;
        succeeded(
            self.command("sh")
                .args(["-c", script])
                .arg(self.mount_point.path()),
        );
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.holder.kill();
        let _ = self.holder.wait();
    }
}

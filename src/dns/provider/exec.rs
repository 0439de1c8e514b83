//! `exec`: a program of the user's changes the zone. It gets one JSON object on standard input and answers with one on standard
//! output; `docs/reference/dns-exec.md` is the contract.
//!
//! The program runs in a process group of its own, which is killed when its time is over. Anything but a whole answer leaves open
//! what became of the change, since nobody knows how far the program came.

mod contract;

use std::{
    io,
    process::{ExitStatus, Stdio},
    time::Duration,
};

use rustix::process::{Pid, Signal, kill_process_group};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWriteExt},
    process::{Child, Command},
    time::timeout,
};

use self::contract::{Action, Answered};
use crate::{
    dns::provider::{Applied, Compares, Guarantee, ProviderError, Validation, api::words},
    plan::dns::{Change, ExecPlan},
};

/// The most that a program may answer: every set of a change, several times over.
const ANSWER_BYTES_MAX: u64 = 1024 * 1024;

/// The most of standard error that is read; less is shown.
const COMPLAINT_BYTES_MAX: u64 = 64 * 1024;

/// For a program that was killed to be gone.
const GRACE: Duration = Duration::from_secs(5);

/// A program of the user's.
#[derive(Clone, Debug)]
pub struct Exec {
    plan: ExecPlan,
}

impl Exec {
    /// The contract demands both of the program, and nobody can see whether it does so.
    pub const GUARANTEE: Guarantee = Guarantee {
        compares: Compares::NotKnown,
        is_atomic: false,
    };

    /// Runs nothing yet.
    #[must_use]
    pub const fn new(plan: ExecPlan) -> Self {
        Self { plan }
    }

    /// Asks the program whether it would make the change.
    ///
    /// # Errors
    /// [`ProviderError`].
    pub async fn validate(&self, change: &Change) -> Result<Validation, ProviderError> {
        match self.ask(change, Action::Validate).await? {
            Answered::Validated(it) => Ok(it),
            Answered::Applied(it) => Err(self.unknown(&format!(
                "asked to validate, it answered that the change is {it:?}"
            ))),
        }
    }

    /// Has the program make the change.
    ///
    /// # Errors
    /// [`ProviderError`].
    pub async fn apply(&self, change: &Change) -> Result<Applied, ProviderError> {
        match self.ask(change, Action::Apply).await? {
            Answered::Applied(it) => Ok(it),
            Answered::Validated(it) => Err(self.unknown(&format!(
                "asked to apply, it answered as if asked to validate ({it:?})"
            ))),
        }
    }

    async fn ask(&self, change: &Change, action: Action) -> Result<Answered, ProviderError> {
        let question = contract::question(change, action);
        let question = question.map_err(|error| ProviderError::Invalid {
            why: error.to_string(),
        })?;
        let mut group = self.start()?;
        let limit = self.plan.timeout;
        let ended = match timeout(limit, talk(&mut group.leader, &question)).await {
            Ok(ended) => ended.map_err(|error| self.unknown(&error.to_string())),
            Err(_elapsed) => Err(self.unknown(&format!("it did not end within {limit:?}"))),
        };
        let (answer, complaint, status) = match ended {
            Ok(ended) => ended,
            Err(error) => {
                group.kill();
                // It is reaped here, or by the runtime once it is gone.
                let _ended = timeout(GRACE, group.leader.wait()).await;
                return Err(error);
            }
        };
        let complaint = words(&String::from_utf8_lossy(&complaint));
        if !status.success() {
            let ended = ending(status);
            return Err(self.unknown(&format!("it {ended} and said: {complaint}")));
        }
        contract::answer(change, &answer)
            .map_err(|why| self.unknown(&format!("{why}; it said: {complaint}")))?
    }

    fn start(&self) -> Result<Group, ProviderError> {
        let started = Command::new(&self.plan.program)
            .args(&self.plan.arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .process_group(0)
            .spawn();
        let leader = started.map_err(|error| ProviderError::Refused {
            why: format!(
                "{:?} cannot be run ({error}), so nothing was changed",
                self.plan.program
            ),
        })?;
        Ok(Group { leader })
    }

    fn unknown(&self, why: &str) -> ProviderError {
        ProviderError::Unknown {
            why: format!("{:?}: {why}", self.plan.program),
        }
    }
}

/// The program and whatever it has started, which are killed if this is dropped before the program has ended.
struct Group {
    leader: Child,
}

impl Group {
    /// Kills all of them, unless the program has ended by itself: only a leader that is not reaped keeps its number from being
    /// another group's.
    fn kill(&self) {
        let number = self.leader.id().and_then(|it| i32::try_from(it).ok());
        if let Some(group) = number.and_then(Pid::from_raw) {
            // A group that is gone needs no killing.
            let _gone = kill_process_group(group, Signal::KILL);
        }
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        self.kill();
    }
}

/// Asks, reads both outputs to their ends, and waits until the program has ended.
async fn talk(child: &mut Child, question: &[u8]) -> io::Result<(Vec<u8>, Vec<u8>, ExitStatus)> {
    let (Some(mut input), Some(output), Some(errors)) =
        (child.stdin.take(), child.stdout.take(), child.stderr.take())
    else {
        return Err(io::Error::other("its pipes are missing"));
    };
    let ask = async move {
        // A program may answer without having read the question.
        let _unread = input.write_all(question).await;
        drop(input);
        Ok(())
    };
    let ((), answer, complaint) = tokio::try_join!(
        ask,
        read(output, ANSWER_BYTES_MAX),
        read(errors, COMPLAINT_BYTES_MAX)
    )?;
    Ok((answer, complaint, child.wait().await?))
}

async fn read(stream: impl AsyncRead + Unpin, limit: u64) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    stream.take(limit + 1).read_to_end(&mut bytes).await?;
    match u64::try_from(bytes.len()).is_ok_and(|it| it > limit) {
        true => Err(io::Error::other(format!(
            "it wrote more than {limit} bytes"
        ))),
        false => Ok(bytes),
    }
}

fn ending(status: ExitStatus) -> String {
    match status.code() {
        Some(code) => format!("ended with exit code {code}"),
        None => "was ended by a signal".to_owned(),
    }
}

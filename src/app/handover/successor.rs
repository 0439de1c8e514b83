//! The process that takes over, as the one that it takes over from sees it.

use std::{
    env,
    ffi::OsString,
    io,
    net::{SocketAddr, TcpListener},
    os::{fd::OwnedFd, unix::net::UnixStream},
    path::{self, PathBuf},
    process::{Child, Command, Stdio},
    time::Duration,
};

use tokio::{
    net::unix::{OwnedReadHalf, OwnedWriteHalf},
    sync::{mpsc, oneshot},
    time::{sleep, timeout},
};

use crate::{
    app::handover::{
        hello::{Farewell, FromNew, FromOld, Hello},
        predecessor::VARIABLE,
        wire,
    },
    measure::Interval,
    plan::Edition,
    split::Publication,
};

/// How long it may take to open the journal. No ramp goes on meanwhile; traffic goes on at the weight in force, and a
/// rollback ends the upgrade.
const READY_WITHIN: Duration = Duration::from_secs(5);

/// How long it may take to lead, which is to start its control loop and its admin API. Nobody watches meanwhile.
const LEADING_WITHIN: Duration = Duration::from_secs(2);

/// How long its sockets may take to get across.
const SENT_WITHIN: Duration = Duration::from_secs(5);

/// How long a process that failed may take to end by itself, so that its exit code can be told.
const ENDED_WITHIN: Duration = Duration::from_millis(500);

/// From one look to the next.
const LOOK: Duration = Duration::from_millis(10);

/// How this process was started, and how the next one will be.
#[derive(Clone, Debug)]
pub(in crate::app) struct Program {
    path: PathBuf,
    arguments: Vec<OsString>,
}

/// The process that takes over.
#[derive(Debug)]
pub(in crate::app) struct Successor {
    child: Child,
    /// For each word.
    patience: Duration,
    from: OwnedReadHalf,
    to: OwnedWriteHalf,
}

impl Program {
    /// This program, by the path that it was started by: a link to it may name another version by then. What was found
    /// by its bare name is asked of the system, now, since that no longer knows once the file is replaced.
    pub(in crate::app) fn of_this_process() -> io::Result<Self> {
        let mut arguments = env::args_os();
        let named = arguments.next().map(PathBuf::from);
        let named = named.filter(|it| it.components().count() > 1 && it.exists());
        Ok(Self {
            path: match named {
                Some(path) => path::absolute(path)?,
                None => env::current_exe()?,
            },
            arguments: arguments.collect(),
        })
    }

    /// Starts it, and hands it the sockets.
    pub(in crate::app) async fn start(
        &self,
        farewell: &Farewell,
        edition: &Edition,
        listeners: &[(SocketAddr, Vec<TcpListener>)],
        admin: &TcpListener,
    ) -> Result<Successor, String> {
        let path = self.path.display();
        let (mut here, there) = UnixStream::pair().map_err(|it| format!("no socket: {it}"))?;
        let child = Command::new(&self.path)
            .args(&self.arguments)
            .env(VARIABLE, "stdin")
            .stdin(Stdio::from(OwnedFd::from(there)))
            .spawn()
            .map_err(|error| format!("{path} cannot be started: {error}"))?;
        let counts = listeners.iter().map(|(address, its)| (*address, its.len()));
        let hello = Hello::new(farewell, edition, counts.collect());
        let mut send = || {
            here.set_write_timeout(Some(SENT_WITHIN))?;
            wire::send(&mut here, &hello)?;
            for (_, sockets) in listeners {
                wire::send_sockets(&here, sockets)?;
            }
            wire::send_sockets(&here, &[admin])?;
            here.set_nonblocking(true)
        };
        let sent = send();
        let open = sent.and_then(|()| tokio::net::UnixStream::from_std(here));
        match open {
            Ok(stream) => {
                let (from, to) = stream.into_split();
                Ok(Successor {
                    child,
                    patience: edition.plan().timeouts.upgrade,
                    from,
                    to,
                })
            }
            Err(error) => Err(end(child, &format!("it takes no sockets: {error}")).await),
        }
    }
}

impl Successor {
    /// Its process id.
    pub(in crate::app) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Waits until it could start. The old process leads meanwhile.
    pub(in crate::app) async fn loaded(&mut self) -> Result<(), String> {
        match self.word(self.patience).await? {
            FromNew::Loaded => Ok(()),
            other => Err(format!("it said {other:?} out of turn")),
        }
    }

    /// Tells it that the journal is free, and waits until it has it.
    pub(in crate::app) async fn ready(&mut self) -> Result<(), String> {
        self.tell(&FromOld::Released).await?;
        match self.word(self.patience.min(READY_WITHIN)).await? {
            FromNew::Ready => Ok(()),
            other => Err(format!("it said {other:?} out of turn")),
        }
    }

    /// Tells it to lead, and waits until it does.
    pub(in crate::app) async fn leading(&mut self) -> Result<(), String> {
        self.tell(&FromOld::Lead).await?;
        match self.word(self.patience.min(LEADING_WITHIN)).await? {
            FromNew::Leading => Ok(()),
            other => Err(format!("it said {other:?} out of turn")),
        }
    }

    /// Ends it at once.
    pub(in crate::app) fn kill(self, why: &str) -> String {
        buried(self.child, why)
    }

    /// Ends it; returns why it failed, with how it ended.
    pub(in crate::app) async fn bury(self, why: &str) -> String {
        let Self {
            child, from, to, ..
        } = self;
        drop((from, to));
        end(child, why).await
    }

    /// Follows it until `measured` ends: puts its tables in force here, and hands over what was measured here. Says on
    /// `noted` when the journal has the entry about it.
    pub(in crate::app) async fn follow(
        self,
        publication: Publication,
        mut measured: mpsc::Receiver<Interval>,
        noted: oneshot::Sender<()>,
    ) {
        let Self {
            mut from, mut to, ..
        } = self;
        let mut noted = Some(noted);
        let obey = async {
            loop {
                match wire::read(&mut from).await {
                    Ok(FromNew::Table(lead)) => {
                        if let Some(table) = lead.after(&publication.load()) {
                            let (generation, weight) = (table.generation.number(), table.weight);
                            publication.publish(table);
                            tracing::info!(generation, %weight, "followed the process that leads");
                        }
                    }
                    Ok(FromNew::Noted) => drop(noted.take()),
                    Ok(other) => tracing::warn!(?other, "out of turn"),
                    Err(error) => {
                        tracing::error!(%error, "the process that leads is gone: draining goes on");
                        return std::future::pending().await;
                    }
                }
            }
        };
        let tell = async {
            while let Some(interval) = measured.recv().await {
                let interval = FromOld::Measured(Box::new(interval));
                if let Err(error) = wire::write(&mut to, &interval).await {
                    tracing::debug!(%error, "nobody takes measurements");
                }
            }
        };
        tokio::select! {
            () = tell => (),
            () = obey => (),
        }
    }

    async fn tell(&mut self, word: &FromOld) -> Result<(), String> {
        let told = wire::write(&mut self.to, word).await;
        told.map_err(|error| format!("it ended before it was ready ({error})"))
    }

    async fn word(&mut self, within: Duration) -> Result<FromNew, String> {
        match timeout(within, wire::read(&mut self.from)).await {
            Ok(Ok(FromNew::Failed(why))) => Err(why),
            Ok(Ok(word)) => Ok(word),
            Ok(Err(error)) => Err(format!("it ended before it was ready ({error})")),
            Err(_elapsed) => Err(format!("it was not ready within {within:?}")),
        }
    }
}

/// Gives a process a moment to end by itself, and ends it then; returns why it failed, with how it ended.
async fn end(mut child: Child, why: &str) -> String {
    let mut waited = Duration::ZERO;
    while waited < ENDED_WITHIN {
        if let Ok(Some(status)) = child.try_wait() {
            return format!("{why} ({status})");
        }
        sleep(LOOK).await;
        waited += LOOK;
    }
    buried(child, why)
}

/// Ends a process that does not end by itself.
fn buried(mut child: Child, why: &str) -> String {
    let ended = child.kill().and_then(|()| child.wait());
    match ended {
        Ok(_) => why.to_owned(),
        Err(error) => format!("{why}; it cannot be ended: {error}"),
    }
}

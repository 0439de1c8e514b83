//! The process that was there before, as the one that takes over from it sees it.

use std::{
    convert::Infallible,
    env,
    fs::File,
    future::pending,
    io,
    net::{SocketAddr, TcpListener},
    os::{
        fd::{AsFd, OwnedFd},
        unix::net::UnixStream,
    },
    path::Path,
    pin::pin,
    process,
    time::Duration,
};

use tokio::{
    net::unix::OwnedWriteHalf,
    sync::mpsc,
    time::{MissedTickBehavior, interval},
};

use crate::{
    app::handover::{
        hello::{FromNew, FromOld, Hello, Lead, PROTOCOL},
        translation::Translation,
        wire,
    },
    clock::Clock,
    control::PredecessorStatus,
    cutover::Upgrade,
    measure::Interval,
    plan::Edition,
    split::{HEARD_WITHIN, Publication},
};

/// Set where standard input is the socket to the process before. A socket that is inherited in any other way could not be
/// taken over without telling the compiler more than it can check.
pub(super) const VARIABLE: &str = "CHANGEOVER_TAKES_OVER";

/// How long the process before may take to say its next word.
const WORD_WITHIN: Duration = Duration::from_secs(30);

/// From one look at the table in force to the next, while the process before drains.
const LOOK: Duration = Duration::from_millis(10);

/// The process before.
#[derive(Debug)]
pub struct Predecessor {
    stream: UnixStream,
    hello: Hello,
    clock: Clock,
    listeners: Vec<(SocketAddr, Vec<TcpListener>)>,
    admin: Option<TcpListener>,
}

/// The sockets that there are already.
#[derive(Debug, Default)]
pub(in crate::app) struct Inheritance {
    /// By the address that the plan names.
    pub(in crate::app) listeners: Vec<(SocketAddr, Vec<TcpListener>)>,
    /// The admin API's, by the address that the plan names.
    pub(in crate::app) admin: Option<(SocketAddr, TcpListener)>,
}

impl Predecessor {
    /// The process that started this one to be taken over from, if that is so.
    ///
    /// # Errors
    /// If it does not say what it has to.
    pub fn of_this_process() -> io::Result<Option<Self>> {
        if env::var_os(VARIABLE).is_none() {
            return Ok(None);
        }
        let stream = UnixStream::from(io::stdin().as_fd().try_clone_to_owned()?);
        // Nobody else shall read from it.
        rustix::stdio::dup2_stdin(File::open("/dev/null")?)?;
        Self::meet(stream).map(Some)
    }

    fn meet(mut stream: UnixStream) -> io::Result<Self> {
        stream.set_read_timeout(Some(WORD_WITHIN))?;
        let hello: Hello = wire::receive(&mut stream)?;
        if hello.protocol != PROTOCOL {
            let text = format!(
                "the running version speaks protocol {}, this one {PROTOCOL}: stop it and start this one",
                hello.protocol
            );
            return Err(io::Error::other(text));
        }
        let sockets = wire::receive_sockets(&stream, hello.sockets())?;
        let mut sockets = sockets.into_iter().map(socket);
        let mut listeners = Vec::new();
        for (address, count) in &hello.listeners {
            let its = sockets.by_ref().take(*count);
            listeners.push((*address, its.collect::<io::Result<_>>()?));
        }
        let admin = sockets.next().transpose()?;
        Ok(Self {
            stream,
            clock: Clock::going_on_from(hello.clock),
            hello,
            listeners,
            admin,
        })
    }

    /// Tells it that this process cannot start, and why.
    pub fn failed(mut self, why: &str) {
        let told = wire::send(&mut self.stream, &FromNew::Failed(why.to_owned()));
        if let Err(error) = told {
            tracing::debug!(%error, "the process before is gone");
        }
    }

    /// Its sockets, for once. Those that are not taken are closed, and the process before empties them.
    pub(in crate::app) fn inheritance(&mut self) -> Inheritance {
        Inheritance {
            listeners: std::mem::take(&mut self.listeners),
            admin: self.admin.take().map(|it| (self.hello.admin, it)),
        }
    }

    /// Its clock, going on.
    pub(in crate::app) const fn clock(&self) -> Clock {
        self.clock
    }

    /// It, for the status.
    pub(in crate::app) fn status(&self) -> PredecessorStatus {
        PredecessorStatus {
            pid: self.hello.pid,
            version: self.hello.version.clone(),
        }
    }

    /// Processes that drain from now on.
    pub(in crate::app) const fn draining(&self) -> u8 {
        self.hello.draining
    }

    /// The entry about it.
    pub(in crate::app) fn upgrade(&self) -> Upgrade {
        Upgrade {
            from: self.hello.version.clone(),
            to: env!("CARGO_PKG_VERSION").to_owned(),
            processes: format!(
                "process {} took over from process {}",
                process::id(),
                self.hello.pid
            ),
            actor: self.hello.actor.clone(),
        }
    }

    /// Tells it that this process can start, and waits for the journal.
    pub(in crate::app) fn wait_for_journal(&mut self, store: &Path) -> io::Result<()> {
        if self.hello.store != store {
            let text = format!(
                "it leads by the journal {}, and an upgrade goes on by the same one: put [store] url back",
                self.hello.store.display()
            );
            return Err(io::Error::other(text));
        }
        wire::send(&mut self.stream, &FromNew::Loaded)?;
        match wire::receive(&mut self.stream)? {
            FromOld::Released => Ok(()),
            FromOld::Lead | FromOld::Measured(_) => Err(io::ErrorKind::InvalidData.into()),
        }
    }

    /// Tells it that this process has the journal, and waits until it does not take that back any more.
    pub(in crate::app) fn wait_for_lead(&mut self) -> io::Result<()> {
        wire::send(&mut self.stream, &FromNew::Ready)?;
        match wire::receive(&mut self.stream)? {
            FromOld::Lead => Ok(()),
            FromOld::Released | FromOld::Measured(_) => Err(io::ErrorKind::InvalidData.into()),
        }
    }

    /// Tells it that this process leads, then every table until it has drained, and takes in what it measures. It is told
    /// when `noted` is over as well.
    pub(in crate::app) async fn see_off(
        mut self,
        edition: Edition,
        publication: Publication,
        intervals: mpsc::Sender<Interval>,
        noted: impl Future<Output = ()>,
    ) {
        let clock = self.clock;
        // What it answers until its first word of who writes comes is not known to be theirs.
        let heard_from = clock.timestamp().after(HEARD_WITHIN);
        publication.writers().forget(heard_from);
        let mut translation = Translation::new(&self.hello, &edition);
        let told = wire::send(&mut self.stream, &FromNew::Leading);
        let open = told.and_then(|()| {
            self.stream.set_nonblocking(true)?;
            tokio::net::UnixStream::from_std(self.stream)
        });
        let (mut from, to) = match open {
            Ok(stream) => stream.into_split(),
            Err(error) => {
                tracing::warn!(%error, "the process before is gone");
                return;
            }
        };
        let hear = async {
            while let Ok(FromOld::Measured(interval)) = wire::read(&mut from).await {
                let interval = translation.apply(*interval);
                if intervals.send(interval).await.is_err() {
                    return;
                }
            }
        };
        tokio::select! {
            () = hear => (),
            never = tell(to, publication, noted) => match never {},
        }
        for farewell in translation.farewells(clock.timestamp()) {
            // The control loop has ended, and nobody counts any more.
            drop(intervals.send(farewell).await);
        }
        tracing::info!("the process before has ended");
    }
}

/// Tells the process before every table, and when `noted` is over. Never ends: what it says last is heard all the same.
async fn tell(
    mut to: OwnedWriteHalf,
    publication: Publication,
    noted: impl Future<Output = ()>,
) -> Infallible {
    let mut noted = pin!(noted);
    let mut is_noted = false;
    let mut looks = interval(LOOK);
    looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut told = None;
    loop {
        let said = tokio::select! {
            () = &mut noted, if !is_noted => {
                is_noted = true;
                wire::write(&mut to, &FromNew::Noted).await
            }
            _ = looks.tick() => {
                let lead = Lead::of(&publication.load());
                if told == Some(lead) {
                    continue;
                }
                told = Some(lead);
                wire::write(&mut to, &FromNew::Table(lead)).await
            }
        };
        if let Err(error) = said {
            tracing::debug!(%error, "the process before does not hear any more");
            return pending().await;
        }
    }
}

fn socket(descriptor: OwnedFd) -> io::Result<TcpListener> {
    let listener = TcpListener::from(descriptor);
    listener.set_nonblocking(true)?;
    Ok(listener)
}

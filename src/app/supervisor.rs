//! What systemd is told, where it has started us: nothing is sent without `NOTIFY_SOCKET`.

use std::{convert::Infallible, time::Duration};

use sd_notify::NotifyState;

/// How often systemd hears that all is well.
const ALIVE_INTERVAL: Duration = Duration::from_secs(1);

/// Everything listens.
pub(super) fn ready() {
    tell(&[NotifyState::Ready]);
}

/// The configuration is read again; [`ready`] follows.
pub(super) fn reloading() {
    match NotifyState::monotonic_usec_now() {
        Ok(now) => tell(&[NotifyState::Reloading, now]),
        Err(error) => tracing::warn!(%error, "systemd is not told of the reload"),
    }
}

/// What runs is finished, and nothing more.
pub(super) fn stopping() {
    tell(&[NotifyState::Stopping]);
}

/// Another process is the one to watch from now on. Only the one that is watched may say so.
pub(super) fn main_process(pid: u32) {
    tell(&[NotifyState::MainPid(pid)]);
}

/// Says each second that the program `is_well`, for as long as it is, where `WatchdogSec=` of the unit asks for it: systemd
/// starts it again once it has not heard that for long enough.
pub(super) async fn watch(is_well: impl Fn() -> bool) {
    // Beside it stands which process is watched: the first one, and after an upgrade another.
    if std::env::var_os("WATCHDOG_USEC").is_none() {
        return;
    }
    let said = feed(is_well, || sd_notify::notify(&[NotifyState::Watchdog]));
    let Err(error) = said.await;
    tracing::warn!(%error, "systemd does not hear that all is well");
}

/// Says each second that all `is_well`, until it cannot be said.
async fn feed<E>(
    is_well: impl Fn() -> bool,
    say: impl Fn() -> Result<(), E>,
) -> Result<Infallible, E> {
    let mut turns = tokio::time::interval(ALIVE_INTERVAL);
    // At the first turn, a process that takes over may not be known to systemd yet.
    turns.tick().await;
    loop {
        turns.tick().await;
        if is_well() {
            say()?;
        }
    }
}

fn tell(words: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(words) {
        tracing::warn!(%error, "systemd does not hear");
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn nothing_is_said_while_all_is_not_well() {
        let (is_well, said) = (Cell::new(true), Cell::new(0));
        let say = || {
            said.set(said.get() + 1);
            if said.get() > 9 {
                Err("it has gone")
            } else {
                Ok(())
            }
        };
        let feeding = feed(|| is_well.get(), say);
        let mut feeding = std::pin::pin!(feeding);
        let mut wait = async |seconds: f64| {
            let ended = tokio::time::timeout(Duration::from_secs_f64(seconds), &mut feeding);
            ended.await.ok()
        };
        assert_eq!(wait(3.5).await, None);
        assert_eq!(said.get(), 3);
        is_well.set(false);
        assert_eq!(wait(100.0).await, None);
        assert_eq!(said.get(), 3);
        is_well.set(true);
        assert_eq!(wait(5.0).await, None);
        assert_eq!(said.get(), 8);
        assert_eq!(wait(5.0).await, Some(Err("it has gone")));
    }
}

//! What systemd is told, where it has started us: nothing is sent without `NOTIFY_SOCKET`.

use std::time::Duration;

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
    let mut turns = tokio::time::interval(ALIVE_INTERVAL);
    // At the first turn, a process that takes over may not be known to systemd yet.
    turns.tick().await;
    loop {
        turns.tick().await;
        if is_well()
            && let Err(error) = sd_notify::notify(&[NotifyState::Watchdog])
        {
            tracing::warn!(%error, "systemd does not hear that all is well");
            return;
        }
    }
}

fn tell(words: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(words) {
        tracing::warn!(%error, "systemd does not hear");
    }
}

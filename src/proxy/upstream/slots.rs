//! How many connections one endpoint may have on one worker, and who waits for the next.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use tokio::sync::Notify;

/// The count of an endpoint's open sockets. Only the one worker touches it; it is atomic because a socket
/// that became a tunnel must be `Send`.
#[derive(Debug)]
pub(crate) struct Slots {
    open: AtomicUsize,
    max: usize,
    changed: Notify,
}

impl Slots {
    /// Room for `max` sockets.
    pub(crate) fn new(max: usize) -> Arc<Self> {
        Arc::new(Self {
            open: AtomicUsize::new(0),
            max,
            changed: Notify::new(),
        })
    }

    /// Room for one more socket, if there is any.
    pub(crate) fn take(self: &Arc<Self>) -> Option<Slot> {
        if self.is_full() {
            return None;
        }
        self.open.fetch_add(1, Ordering::Relaxed);
        Some(Slot(Arc::clone(self)))
    }

    /// Whether no socket may be added.
    pub(crate) fn is_full(&self) -> bool {
        self.open() >= self.max
    }

    /// Sockets open or being opened.
    pub(crate) fn open(&self) -> usize {
        self.open.load(Ordering::Relaxed)
    }

    /// Waits until something may have become free.
    pub(crate) async fn changed(&self) {
        self.changed.notified().await;
    }

    /// Lets the one that has waited longest look again.
    pub(crate) fn wake_one(&self) {
        self.changed.notify_one();
    }

    /// Lets everybody who waits look again.
    pub(crate) fn wake_all(&self) {
        self.changed.notify_waiters();
    }
}

/// One socket's place; free again when dropped.
#[derive(Debug)]
pub(crate) struct Slot(Arc<Slots>);

impl Drop for Slot {
    fn drop(&mut self) {
        self.0.open.fetch_sub(1, Ordering::Relaxed);
        self.0.wake_one();
    }
}

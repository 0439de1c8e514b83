//! Asks the server twice a second on a thread of its own, so that an unreachable one does not freeze the screen.

use std::{
    collections::VecDeque,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread::{self, Thread},
    time::Duration,
};

use anyhow::Context;
use arc_swap::ArcSwap;

use super::seen::{ENTRIES_MAX, Link, Seen};
use crate::{
    admin::EventPage,
    cli::{client::Client, exit::Failure},
    clock,
    control::Status,
};

/// From one look to the next.
const INTERVAL: Duration = Duration::from_millis(500);

/// Pages read at one look; what is left over comes with the next.
const PAGES_MAX: usize = 4;

/// The thread that asks; it ends with this.
pub(super) struct Poller {
    seen: Arc<ArcSwap<Seen>>,
    is_stopped: Arc<AtomicBool>,
    thread: Thread,
}

impl Poller {
    /// Looks once, so that a refusal ends the command before the screen is taken, and then starts.
    pub(super) fn start(client: Client) -> Result<Self, Failure> {
        let mut first = Seen {
            link: Link::Up,
            status: None,
            entries: VecDeque::new(),
        };
        look(&client, &mut first)?;
        let seen = Arc::new(ArcSwap::from_pointee(first));
        let is_stopped = Arc::new(AtomicBool::new(false));
        let (shown, stop) = (Arc::clone(&seen), Arc::clone(&is_stopped));
        let thread = thread::Builder::new()
            .name("poller".into())
            .spawn(move || poll(&client, &shown, &stop))
            .context("cannot start a thread")?;
        Ok(Self {
            seen,
            is_stopped,
            thread: thread.thread().clone(),
        })
    }

    /// What is known now.
    pub(super) fn seen(&self) -> Arc<Seen> {
        self.seen.load_full()
    }
}

impl Drop for Poller {
    /// It is not waited for: it may be within a call, and the process ends anyway.
    fn drop(&mut self) {
        self.is_stopped.store(true, Ordering::Release);
        self.thread.unpark();
    }
}

fn poll(client: &Client, shown: &ArcSwap<Seen>, stop: &AtomicBool) {
    while !stop.load(Ordering::Acquire) {
        let mut seen = Seen::clone(&shown.load());
        if let Err(failure) = look(client, &mut seen) {
            seen.link = down(&seen.link, failure.to_string());
        }
        shown.store(Arc::new(seen));
        thread::park_timeout(INTERVAL);
    }
}

/// One look; only what trying again cannot mend is an error.
fn look(client: &Client, seen: &mut Seen) -> Result<(), Failure> {
    match refresh(client, seen) {
        Ok(()) => seen.link = Link::Up,
        Err(Failure::Failed(error)) => seen.link = down(&seen.link, format!("{error:#}")),
        Err(failure) => return Err(failure),
    }
    Ok(())
}

fn refresh(client: &Client, seen: &mut Seen) -> Result<(), Failure> {
    let (_, status): (String, Status) = client.get("/api/v1/status")?;
    let newest = seen.entries.back().map_or(0, |entry| entry.seq);
    if newest > status.seq.saturating_add(1) {
        // Another journal than before.
        seen.entries.clear();
    }
    let recent = u64::try_from(ENTRIES_MAX).unwrap_or(u64::MAX);
    let mut after = match seen.entries.back() {
        Some(entry) => entry.seq,
        None => status.seq.saturating_sub(recent),
    };
    for _ in 0..PAGES_MAX {
        let path = format!("/api/v1/events?after={after}");
        let (_, page): (String, EventPage) = client.get(&path)?;
        after = page.next;
        if page.events.is_empty() {
            break;
        }
        seen.push(page.events);
    }
    seen.status = Some(status);
    Ok(())
}

fn down(before: &Link, why: String) -> Link {
    let since = match before {
        Link::Up => clock::now(),
        Link::Down { since, .. } => *since,
    };
    Link::Down { since, why }
}

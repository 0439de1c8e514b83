//! Followers of the journal: every entry once and in order, whatever happens.

use std::{sync::Arc, time::Duration};

use tokio::{
    io::{AsyncBufReadExt, BufReader},
    net::TcpStream,
    time::timeout,
};

use super::World;
use crate::{
    admin::{EventDocument, fixture},
    cutover::Entry,
};

/// Far more than any of it takes.
const DEADLINE: Duration = Duration::from_secs(20);

struct Follower {
    lines: tokio::io::Lines<BufReader<TcpStream>>,
}

impl Follower {
    /// Follows and waits for the response's head, after which nothing that is announced can be missed.
    async fn open(world: &World, target: &str, headers: &[&str]) -> Self {
        let mut all = vec!["Host: localhost"];
        all.extend(headers);
        let line = format!("GET /api/v1/events/stream{target}");
        let stream = world.open(&line, &all, "").await;
        let mut lines = BufReader::new(stream).lines();
        let mut head = Vec::new();
        loop {
            let line = timeout(DEADLINE, lines.next_line()).await;
            let line = line.unwrap().unwrap().unwrap();
            if line.is_empty() {
                break;
            }
            head.push(line);
        }
        assert!(head[0].contains("200"), "{head:?}");
        assert!(head.contains(&"content-type: text/event-stream".into()));
        Self { lines }
    }

    /// The number of the next entry; `None` at the end of the stream.
    async fn next(&mut self) -> Option<u64> {
        let mut id = None;
        loop {
            let line = timeout(DEADLINE, self.lines.next_line()).await;
            let line = line.expect("an entry in time").unwrap()?;
            if let Some(text) = line.strip_prefix("id: ") {
                id = text.parse().ok();
            }
            if let Some(data) = line.strip_prefix("data: ") {
                let event: EventDocument = serde_json::from_str(data).unwrap();
                assert!(id.is_none_or(|id: u64| id == event.seq));
                return Some(event.seq);
            }
        }
    }

    async fn expect(&mut self, numbers: impl IntoIterator<Item = u64>) {
        for number in numbers {
            assert_eq!(self.next().await, Some(number));
        }
    }
}

impl World {
    fn entry(number: u64) -> Entry {
        let mut entry = fixture::entries().pop().unwrap();
        entry.seq = number;
        entry
    }

    fn record(&self, number: u64) {
        let entry = Self::entry(number);
        self.journal.entries.lock().unwrap().push(entry);
    }

    fn announce(&self, number: u64) {
        drop(
            self.control
                .announcements
                .send(Arc::new(Self::entry(number))),
        );
    }

    fn show(&self, seq: u64) {
        let mut status = fixture::status();
        status.seq = seq;
        self.control.status.store(Arc::new(status));
    }
}

#[tokio::test]
async fn replay_goes_over_into_live_without_gap_or_duplicate() {
    let world = World::local();
    // More than two pages.
    for number in 1..=10 {
        world.record(number);
    }
    world.show(10);
    let mut follower = Follower::open(&world, "?after=1", &[]).await;
    // Announced while the follower still replays, and some of what it replays is announced again.
    for number in 10..=12 {
        if number > 10 {
            world.record(number);
        }
        world.announce(number);
    }
    follower.expect(2..=12).await;
    world.record(13);
    world.announce(13);
    follower.expect([13]).await;
}

#[tokio::test]
async fn last_event_id_goes_before_after_and_without_either_only_new_ones_come() {
    let world = World::local();
    for number in 1..=6 {
        world.record(number);
    }
    world.show(6);
    let mut again = Follower::open(&world, "?after=1", &["Last-Event-ID: 4"]).await;
    let mut fresh = Follower::open(&world, "", &[]).await;
    again.expect([5, 6]).await;
    world.record(7);
    world.announce(7);
    again.expect([7]).await;
    fresh.expect([7]).await;
    let answer = world
        .ask("GET /api/v1/events/stream", &["Last-Event-ID: x"], None)
        .await;
    assert_eq!(answer.status, 400);
}

#[tokio::test]
async fn a_follower_that_lags_is_resumed_from_the_journal() {
    let world = World::local();
    world.show(0);
    let mut follower = Follower::open(&world, "", &[]).await;
    // Nothing yields here, so that the announcements outrun the follower's four places.
    for number in 1..=50 {
        world.record(number);
        world.announce(number);
    }
    follower.expect(1..=50).await;
}

#[tokio::test]
async fn an_entry_announced_before_it_is_recorded_comes_once() {
    let world = World::local();
    world.record(1);
    world.show(1);
    let mut follower = Follower::open(&world, "?after=0", &[]).await;
    follower.expect([1]).await;
    world.announce(3);
    follower.expect([3]).await;
    world.record(3);
    world.record(4);
    world.announce(4);
    follower.expect([4]).await;
}

#[tokio::test]
async fn entries_that_were_never_announced_to_it_reach_a_follower() {
    let world = World::local();
    world.show(0);
    let mut follower = Follower::open(&world, "", &[]).await;
    world.record(1);
    world.show(1);
    follower.expect([1]).await;
}

#[tokio::test]
async fn streams_end_when_the_server_stops() {
    let world = World::local();
    world.record(1);
    let mut follower = Follower::open(&world, "?after=0", &[]).await;
    follower.expect([1]).await;
    timeout(DEADLINE, world.stop()).await.expect("it stops");
    assert_eq!(follower.next().await, None);
}

#[tokio::test]
async fn there_is_room_for_commands_beside_all_followers() {
    let world = World::local();
    world.show(0);
    let mut followers = Vec::new();
    for _ in 0..32 {
        followers.push(Follower::open(&world, "", &[]).await);
    }
    let answer = world.ask("GET /api/v1/events/stream", &[], None).await;
    assert_eq!(answer.status, 503);
    assert_eq!(answer.problem().0, "too-many-followers");
    let answer = world.ask("POST /api/v1/ramp/hold", &[], None).await;
    assert_eq!(answer.status, 200);
    drop(followers);
}

//! Watches every replication once a second, beside the traffic: a database that is down, slow or refuses costs nobody else
//! anything, and is connected to again with growing pauses.

mod link;
mod sample;

use std::{convert::Infallible, sync::Arc, time::Duration};

use tokio::{
    task::JoinSet,
    time::{Instant, MissedTickBehavior, interval},
};

use crate::{
    clock::Clock,
    measure::{Judge, LagBoard, LagReading},
    plan::ReplicationPlan,
    replication::watch::{
        link::Link,
        sample::{Channel, SampleError},
    },
    units::{Direction, PerSide, Side},
};

/// From one sample to the next.
const SAMPLE_INTERVAL: Duration = Duration::from_secs(1);

/// Watches every replication of a plan for as long as it is polled, and puts what it reads on the board. What the board
/// had before is forgotten: the same name may stand for another database now.
pub async fn watch(plans: Vec<ReplicationPlan>, board: Arc<LagBoard>, clock: Clock) -> Infallible {
    board.clear();
    let mut watchers = JoinSet::new();
    for plan in plans {
        let board = Arc::clone(&board);
        watchers.spawn(async move { Watcher::new(plan, clock).run(&board).await });
    }
    while let Some(ended) = watchers.join_next().await {
        match ended {
            Ok(never) => match never {},
            // Its readings grow stale, which holds.
            Err(error) => tracing::error!(%error, "a watch over a replication has ended"),
        }
    }
    std::future::pending().await
}

/// Watches one replication.
struct Watcher {
    plan: ReplicationPlan,
    clock: Clock,
    links: PerSide<Link>,
    forward: Way,
    reverse: Way,
}

/// One direction.
struct Way {
    channel: Channel,
    judge: Judge,
    /// Whether the last reading was known, for telling when that changes.
    is_known: Option<bool>,
}

impl Watcher {
    fn new(plan: ReplicationPlan, clock: Clock) -> Self {
        let links = PerSide {
            old: Link::new(plan.databases.old.clone()),
            new: Link::new(plan.databases.new.clone()),
        };
        let way = |channel| Way {
            channel,
            judge: Judge::default(),
            is_known: None,
        };
        Self {
            forward: way(Channel::new(Direction::Forward, &plan.forward)),
            reverse: way(Channel::new(Direction::Reverse, &plan.reverse)),
            links,
            plan,
            clock,
        }
    }

    async fn run(mut self, board: &LagBoard) -> ! {
        let mut ticks = interval(SAMPLE_INTERVAL);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            let now = Instant::now();
            let PerSide { old, new } = &mut self.links;
            tokio::join!(old.open(now), new.open(now));
            for direction in Direction::ALL {
                if let Some(reading) = self.read(direction, board).await {
                    self.tell(direction, &reading);
                    let at = self.clock.timestamp();
                    let passed = self.way(direction).judge.passed();
                    board.put((&self.plan.name, direction), (reading, passed), at);
                }
            }
        }
    }

    /// One reading; `None` where the way back was never set up.
    async fn read(&mut self, direction: Direction, board: &LagBoard) -> Option<LagReading> {
        let is_expected =
            direction == Direction::Forward || board.knows(&self.plan.name, direction);
        if !is_expected && !self.is_set_up(direction).await {
            return None;
        }
        let reading = self.sample(direction).await;
        Some(reading.unwrap_or_else(|(side, why)| LagReading::unknown(format!("{side}: {why}"))))
    }

    /// Whether the target has the subscription, as far as that can be seen.
    async fn is_set_up(&mut self, direction: Direction) -> bool {
        let (way, link) = self.parts(direction, direction.target());
        let Ok(target) = link.session() else {
            return false;
        };
        match way.channel.is_set_up(target).await {
            Ok(is_set_up) => is_set_up,
            Err(error) => {
                link.failed(&error);
                false
            }
        }
    }

    /// One sample, or where and why there is none. Heartbeats are written also while the target cannot be reached: how old the
    /// oldest is that has not arrived says afterwards how far it trails.
    async fn sample(&mut self, direction: Direction) -> Result<LagReading, (Side, String)> {
        let (from, to) = (direction.source(), direction.target());
        let clock = self.clock;
        let (way, source) = self.parts(direction, from);
        let session = source.session().map_err(|why| (from, why.to_owned()))?;
        let said = way.channel.beat(session, clock).await;
        let said = said.map_err(|it| source.missed(it))?;
        source.succeeded();
        let beat = said.0;
        let (way, target) = self.parts(direction, to);
        let sampled = match target.session() {
            Ok(session) => way.channel.sample(said, session, clock).await,
            Err(why) => Err(SampleError::without_session(to, why)),
        };
        match sampled {
            Ok(signals) => {
                target.succeeded();
                Ok(way.judge.judge(&signals))
            }
            Err(error) => {
                way.judge.wrote(beat);
                Err(target.missed(error))
            }
        }
    }

    /// One direction, and the link to one of the sides.
    const fn parts(&mut self, direction: Direction, side: Side) -> (&mut Way, &mut Link) {
        let link = match side {
            Side::Old => &mut self.links.old,
            Side::New => &mut self.links.new,
        };
        let way = match direction {
            Direction::Forward => &mut self.forward,
            Direction::Reverse => &mut self.reverse,
        };
        (way, link)
    }

    const fn way(&mut self, direction: Direction) -> &mut Way {
        match direction {
            Direction::Forward => &mut self.forward,
            Direction::Reverse => &mut self.reverse,
        }
    }

    /// Logs when a reading begins or ceases to be known.
    fn tell(&mut self, direction: Direction, reading: &LagReading) {
        let is_known = matches!(reading, LagReading::Known(_));
        let was_known = self.way(direction).is_known.replace(is_known);
        let name = self.plan.name.as_str();
        match reading {
            LagReading::Known(_) if was_known != Some(true) => {
                tracing::info!(replication = name, %direction, "the lag is known");
            }
            LagReading::Unknown { why } if was_known != Some(false) => {
                tracing::warn!(replication = name, %direction, why, "the lag is not known");
            }
            LagReading::Known(_) | LagReading::Unknown { .. } => (),
        }
    }
}

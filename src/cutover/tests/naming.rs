//! Names in DNS: when they may move, when they come back, and what is waited for.

use std::{sync::Arc, time::Duration};

use hickory_resolver::proto::rr::Name;

use super::bench::{Batch, Bench, START, plan};
use crate::{
    cutover::{
        Actor, Answer, Change, Command, DnsEvent, DnsOrder, DnsPurpose, DnsStanding, DnsStep,
        Entry, Leads, Names, Position, Progress, Ramp, StoreState, Stretch, WayBack, Wish, dns_due,
        dns_waits, prepare_dns, quiet_stretch,
    },
    measure::{Arrived, ServerLook, ZoneLook},
    plan::dns::{
        DnsMoves, DnsName, DnsPlan, Kind, LookPlan, ProviderPlan, Quiet, RecordSet, Records, Ttl,
        Value,
    },
    units::{Salt, Side, Weight},
};

/// Two servers, a cutover that is complete, and everything that was written down.
struct World {
    bench: Bench,
    journal: Vec<Entry>,
    servers: [Vec<RecordSet>; 2],
}

impl World {
    fn new(moves: DnsMoves) -> Self {
        let mut plan = plan();
        plan.dns = Some(names(moves));
        plan.rollback.window = Duration::from_secs(72 * 60 * 60);
        let began = Entry::began(&plan, Salt::new([0; 16]), START);
        let mut position = Position::began(&began).expect("it begins a journal");
        position.weight = Weight::FULL;
        position.ramp = Ramp::Complete {
            since: START,
            way_back: WayBack::Open,
        };
        let served = vec![set("192.0.2.1", 100)];
        Self {
            bench: Bench::restored(plan, position, Progress::default()),
            journal: Vec::new(),
            servers: [served.clone(), served],
        }
    }

    fn dns(&self) -> &DnsPlan {
        self.bench.plan.dns.as_ref().expect("it was put there")
    }

    fn names(&self) -> &Names {
        let names = self.bench.state.position.names.as_ref();
        names.expect("something was ordered")
    }

    /// Both servers say this from now on.
    fn serve(&mut self, sets: &[RecordSet]) {
        self.servers = [sets.to_vec(), sets.to_vec()];
    }

    fn look(&self) -> ZoneLook {
        let server = |(index, sets): (u8, &Vec<RecordSet>)| ServerLook {
            name: format!("ns{index}.example.test."),
            address: ([127, 0, 0, index], 53).into(),
            sets: Ok(sets.clone()),
            is_spoken_for: false,
        };
        ZoneLook {
            at: self.bench.now,
            servers: (1..).zip(&self.servers).map(server).collect(),
            fault: None,
        }
    }

    /// Turns for so many seconds, and records what is written down.
    fn run(&mut self, seconds: u32) {
        self.run_with(seconds, 0);
    }

    /// The same, with so many requests each second.
    fn run_with(&mut self, seconds: u32, requests: u32) {
        for turn in 0..seconds * 10 {
            self.bench.zone = Ok(Arc::new(self.look()));
            let arrived = Arrived {
                requests: vec![if turn % 10 == 0 { requests } else { 0 }],
                clients: Vec::new(),
            };
            let next = self.bench.now.after(Duration::from_millis(100));
            self.bench.arrivals.turn([&arrived], true, next);
            self.bench.turn();
            self.keep();
        }
    }

    fn keep(&mut self) {
        if let Some(entry) = self.bench.entry().cloned() {
            if self.bench.store == StoreState::Writable {
                self.bench.record();
            }
            self.journal.push(entry);
        }
    }

    fn prepare(&self, wish: &Wish) -> Result<DnsOrder, String> {
        let look = self.look();
        let names = self.bench.state.position.names.as_ref();
        prepare_dns(self.dns(), names, look.unanimous(), wish)
    }

    fn give(&mut self, order: DnsOrder) -> Result<(), String> {
        self.bench.zone = Ok(Arc::new(self.look()));
        let step = DnsStep {
            event: DnsEvent::Ordered(Box::new(order)),
            actor: Actor::Operator("ada".to_owned()),
            reason: "test".to_owned(),
        };
        self.tell(step)
    }

    fn tell(&mut self, step: DnsStep) -> Result<(), String> {
        let answer = self.bench.decide(&crate::cutover::Event::Dns(step));
        match answer.expect("it is answered") {
            Answer::Refused(refusal) => Err(refusal.to_string()),
            Answer::InForce(_) | Answer::OnRecorded(_) => {
                self.keep();
                Ok(())
            }
        }
    }

    fn order(&mut self, wish: &Wish) -> Result<(), String> {
        let order = self.prepare(wish)?;
        self.give(order)
    }

    /// Orders, and has every server say so.
    fn done(&mut self, wish: &Wish) {
        self.order(wish).expect("it can be ordered");
        let after = self.names().order.change.after().to_vec();
        self.serve(&after);
        self.run(1);
        assert!(matches!(self.names().standing, DnsStanding::Served { .. }));
    }

    fn quiet(&self) -> Option<&Stretch> {
        quiet_stretch(self.dns(), &self.bench.state)
    }

    fn kinds(&self) -> Vec<&'static str> {
        self.journal.iter().map(|it| it.change.kind()).collect()
    }
}

fn names(moves: DnsMoves) -> DnsPlan {
    DnsPlan {
        zone: name("example.test."),
        names: vec![DnsName {
            name: name("shop.example.test."),
            from: records("192.0.2.1"),
            to: records("198.51.100.1"),
        }],
        ttl: Ttl(10),
        moves,
        gap: Duration::from_secs(10),
        quiet: Quiet {
            under: 60,
            span: Duration::from_secs(20),
        },
        look: LookPlan {
            start: Vec::new(),
            port: 53,
            timeout: Duration::from_secs(1),
            resolvers: Vec::new(),
        },
        provider: ProviderPlan::Manual,
    }
}

fn name(text: &str) -> Name {
    Name::from_ascii(text).expect("a name")
}

fn records(address: &str) -> Records {
    let value = Value::parse(Kind::A, address).expect("a value");
    Records::from([(Kind::A, [value].into())])
}

fn set(address: &str, ttl: u32) -> RecordSet {
    RecordSet {
        name: name("shop.example.test."),
        kind: Kind::A,
        ttl: Ttl(ttl),
        values: [Value::parse(Kind::A, address).expect("a value")].into(),
    }
}

fn lower() -> Wish {
    Wish::LowerTtl(vec![Ttl(10)])
}

#[test]
fn the_time_of_the_old_ttl_begins_with_the_last_server_and_anew_if_one_falls_back() {
    let mut world = World::new(DnsMoves::Manually);
    world.run(1);
    let refused = world.order(&Wish::Move).expect_err("the TTL is long");
    assert!(refused.contains("lower it first"), "{refused}");
    world.order(&lower()).expect("it can be lowered");
    // One server is slow.
    world.servers[0] = vec![set("192.0.2.1", 10)];
    world.run(110);
    assert_eq!(world.names().standing, DnsStanding::Ordered);
    world.serve(&[set("192.0.2.1", 10)]);
    world.run(90);
    assert!(matches!(world.names().standing, DnsStanding::Served { .. }));
    // And falls back, as from an old copy of the zone.
    world.servers[1] = vec![set("192.0.2.1", 100)];
    world.run(1);
    world.serve(&[set("192.0.2.1", 10)]);
    world.run(99);
    let refused = world
        .order(&Wish::Move)
        .expect_err("the TTL has not run out");
    assert!(refused.starts_with("held by the TTL before: "), "{refused}");
    world.run(3);
    assert_eq!(dns_waits(world.dns(), &world.bench.state), []);
    world.done(&Wish::Move);
    assert_eq!(world.names().leads, Leads::To);
    let expected = ["dns_ordered", "dns_served", "dns_ordered", "dns_served"];
    assert_eq!(world.kinds(), expected);
}

#[test]
fn a_ttl_that_is_low_already_has_to_be_seen_for_as_long_as_it_lasts() {
    let mut world = World::new(DnsMoves::Manually);
    world.serve(&[set("192.0.2.1", 10)]);
    world.run(9);
    let refused = world.order(&lower()).expect_err("it is low");
    assert!(refused.contains("nothing is to be lowered"), "{refused}");
    let refused = world
        .order(&Wish::Move)
        .expect_err("not seen for long enough");
    assert!(refused.starts_with("held by the TTL before: "), "{refused}");
    world.run(51);
    world.done(&Wish::Move);
    assert_eq!(world.servers[0], [set("198.51.100.1", 10)]);
}

#[test]
fn names_come_back_whatever_their_ttl_is_by_then() {
    let mut world = World::new(DnsMoves::Manually);
    world.run(1);
    world.done(&lower());
    world.run(101);
    world.done(&Wish::Move);
    world.serve(&[set("198.51.100.1", 5)]);
    let back = world.prepare(&Wish::Revert).expect("it was moved");
    assert_eq!(back.change.before(), [set("198.51.100.1", 5)]);
    assert_eq!(back.change.after(), [set("192.0.2.1", 10)]);
    // What somebody else has there is for the provider to find.
    world.serve(&[set("192.0.2.9", 10)]);
    let back = world.prepare(&Wish::Revert).expect("it was moved");
    assert_eq!(back.change.before(), [set("198.51.100.1", 10)]);
}

#[test]
fn a_gap_in_looking_longer_than_the_plan_has_it_begins_the_time_anew() {
    let mut world = World::new(DnsMoves::Manually);
    world.run(1);
    world.done(&lower());
    world.run(90);
    world.bench.zone = Err("the servers were not asked".to_owned());
    for _ in 0..120 {
        world.bench.turn();
    }
    world.run(20);
    let waits = dns_waits(world.dns(), &world.bench.state);
    assert_eq!(waits.len(), 1, "{waits:?}");
}

#[test]
fn names_move_by_themselves_when_the_plan_says_so_and_only_once() {
    let mut world = World::new(DnsMoves::WhenComplete);
    world.run(1);
    assert_eq!(dns_due(&world.bench.plan, &world.bench.state), None);
    world.done(&lower());
    world.run(101);
    let due = dns_due(&world.bench.plan, &world.bench.state);
    assert_eq!(due, Some(Wish::Move));
    world.order(&Wish::Move).expect("it is due");
    let stop = DnsStep {
        event: DnsEvent::Stopped(DnsPurpose::Move),
        actor: Actor::Plan,
        reason: "somebody else changed the zone".to_owned(),
    };
    world.tell(stop.clone()).expect("it is the last order");
    assert_eq!(world.names().leads, Leads::From);
    assert!(world.tell(stop).is_err(), "it has stopped already");
    world.run(5);
    assert_eq!(dns_due(&world.bench.plan, &world.bench.state), None);

    let mut later = World::new(DnsMoves::AfterWindow);
    later.run(1);
    later.done(&lower());
    later.run(101);
    assert_eq!(dns_due(&later.bench.plan, &later.bench.state), None);
    later.bench.state.position.ramp = Ramp::Complete {
        since: START,
        way_back: WayBack::Closed,
    };
    let due = dns_due(&later.bench.plan, &later.bench.state);
    assert_eq!(due, Some(Wish::Move));
}

#[test]
fn a_rollback_leads_names_back_even_without_a_journal() {
    let mut world = World::new(DnsMoves::Manually);
    world.run(1);
    world.done(&lower());
    world.run(101);
    world.done(&Wish::Move);
    world.bench.accepted(&Command::Rollback {
        reason: "it is slow".to_owned(),
    });
    let due = dns_due(&world.bench.plan, &world.bench.state);
    assert_eq!(due, Some(Wish::Revert));
    world.bench.store = StoreState::Failing {
        error: "the disk is full".to_owned(),
    };
    world.servers[1].clear();
    world.order(&Wish::Revert).expect("it waits for nothing");
    assert_eq!(dns_due(&world.bench.plan, &world.bench.state), None);
    assert_eq!(world.names().leads, Leads::To, "until every server says so");
    world.bench.store = StoreState::Writable;
    let unrecorded = world.journal.last().expect("an entry").seq;
    world
        .bench
        .decide(&crate::cutover::Event::Recorded { seq: unrecorded });
    world.serve(&[set("192.0.2.1", 10)]);
    world.run(1);
    assert_eq!(world.names().leads, Leads::From);
    let refused = world.order(&Wish::Revert).expect_err("they lead back");
    assert!(refused.contains("before the move"), "{refused}");
}

#[test]
fn the_journal_gives_the_same_names() {
    let mut world = World::new(DnsMoves::Manually);
    let before = world.bench.state.position.clone();
    world.run(1);
    world.done(&Wish::LowerTtl(vec![Ttl(50)]));
    world.run(101);
    world.done(&lower());
    world.run(51);
    world.done(&Wish::Move);
    world.done(&Wish::Revert);
    world.done(&Wish::RestoreTtl);
    assert_eq!(world.servers[0], [set("192.0.2.1", 100)]);
    assert_eq!(world.names().lowered, None);
    let replayed = world.journal.iter().fold(before, |position, entry| {
        let text = serde_json::to_string(entry).expect("it is data");
        let read: Entry = serde_json::from_str(&text).expect("it was written so");
        position.apply(&read)
    });
    assert_eq!(replayed, world.bench.state.position);
}

#[test]
fn a_step_that_had_not_run_out_is_waited_for_with_the_next() {
    let mut world = World::new(DnsMoves::Manually);
    world.run(1);
    world.done(&Wish::LowerTtl(vec![Ttl(50)]));
    world.run(20);
    world.done(&lower());
    let wait = |world: &World| world.names().lowered.as_ref().map(|it| it.wait.as_secs());
    assert_eq!(wait(&world), Some(100), "not the 50 s of the TTL before");

    let mut world = World::new(DnsMoves::Manually);
    world.run(1);
    world.done(&Wish::LowerTtl(vec![Ttl(50), Ttl(10)]));
    world.run(98);
    assert_eq!(dns_due(&world.bench.plan, &world.bench.state), None);
    world.run(2);
    let due = dns_due(&world.bench.plan, &world.bench.state);
    assert_eq!(due, Some(lower()));
    world.done(&due.expect("it is due"));
    assert_eq!(wait(&world), Some(50));
}

#[test]
fn what_somebody_else_has_there_is_neither_changed_nor_left_behind() {
    let mut world = World::new(DnsMoves::Manually);
    world.run(1);
    let order = world.prepare(&lower()).expect("it can be lowered");
    world.serve(&[set("192.0.2.9", 100)]);
    let refused = world.give(order).expect_err("it was changed meanwhile");
    assert!(
        refused.contains("something else than a moment ago"),
        "{refused}"
    );
    let refused = world.order(&lower()).expect_err("not the plan's value");
    assert!(refused.contains("`from` has other values"), "{refused}");
    let hint = RecordSet {
        kind: Kind::Https,
        values: [Value::parse(Kind::Https, "1 . ipv4hint=192.0.2.1").expect("a value")].into(),
        ..set("192.0.2.1", 100)
    };
    world.serve(&[set("192.0.2.1", 100), hint]);
    let refused = world
        .order(&lower())
        .expect_err("a kind that nobody planned");
    assert!(refused.contains("`from` has no HTTPS"), "{refused}");
    world.serve(&[]);
    let refused = world.order(&lower()).expect_err("nothing is there");
    assert!(refused.contains("has no A"), "{refused}");
    assert_eq!(world.kinds(), [""; 0]);
}

#[test]
fn names_do_not_move_before_the_shift_is_complete_nor_is_the_ttl_restored_while_they_may_come_back()
{
    let mut world = World::new(DnsMoves::WhenComplete);
    world.run(1);
    world.done(&lower());
    world.run(101);
    let complete = world.bench.state.position.ramp.clone();
    world.bench.state.position.ramp = Ramp::Baking {
        step: world.bench.plan.ramp.steps.len() - 1,
        since: START,
    };
    assert_eq!(dns_due(&world.bench.plan, &world.bench.state), None);
    let refused = world.order(&Wish::Move).expect_err("it bakes");
    assert!(refused.contains("the ramp is baking"), "{refused}");
    world.bench.state.position.ramp = complete;
    world.done(&Wish::Move);
    let refused = world
        .order(&Wish::RestoreTtl)
        .expect_err("the way back is open");
    assert!(
        refused.contains("a revert needs the lowered TTL"),
        "{refused}"
    );
    assert!(matches!(
        world.journal.last().map(|it| &it.change),
        Some(Change::DnsServed {
            purpose: DnsPurpose::Move
        })
    ));
}

#[test]
fn it_is_quiet_once_few_enough_have_come_for_long_enough() {
    let mut world = World::new(DnsMoves::Manually);
    world.run(1);
    world.done(&lower());
    world.run(101);
    assert_eq!(world.quiet(), None, "names have not moved");
    world.done(&Wish::Move);
    // 60 a minute are too many, and so are as many within less than a minute.
    world.run_with(60, 1);
    assert!(world.quiet().is_some_and(|it| it.since.is_none()));
    world.run(15);
    let since = world.quiet().and_then(|it| it.since);
    assert!(since.is_some(), "{:?}", world.quiet());
    // Somebody comes back.
    world.run_with(1, 30);
    let stretch = world.quiet().expect("names have moved");
    let broken = stretch.broken.as_ref().map(|it| it.by.as_str());
    assert_eq!(broken, Some("35 requests within 20 s"));
    assert!(!world.kinds().contains(&"dns_quiet"));
    // Nor is it quiet while somebody would be cut off.
    world.bench.tunnels = 2;
    world.run(45);
    assert!(!world.kinds().contains(&"dns_quiet"));
    world.bench.tunnels = 0;
    world.run(25);
    assert_eq!(world.kinds().last(), Some(&"dns_quiet"));
    assert!(world.names().quiet_at.is_some());
    // It is written down once, and forgotten with the way back.
    world.run_with(5, 30);
    world.run(60);
    let times = world
        .kinds()
        .iter()
        .filter(|it| **it == "dns_quiet")
        .count();
    assert_eq!(times, 1);
    world.done(&Wish::Revert);
    assert_eq!(world.names().quiet_at, None);
    assert_eq!(world.quiet(), None);
}

#[test]
fn what_a_zone_says_is_written_down_after_a_rollback_of_the_same_turn() {
    let mut world = World::new(DnsMoves::Manually);
    world.run(1);
    world.order(&lower()).expect("it can be ordered");
    let after = world.names().order.change.after().to_vec();
    world.serve(&after);
    world.bench.zone = Ok(Arc::new(world.look()));
    world.bench.turn_with(&[Batch::errors(Side::New, 50)]);
    assert_eq!(world.bench.ramp(), "rolled_back");
    world.keep();
    world.run(1);
    assert_eq!(world.kinds(), ["dns_ordered", "rolled_back", "dns_served"]);
}

#[test]
fn clients_are_sent_off_once_names_have_moved_and_no_more_once_they_come_back() {
    let mut world = World::new(DnsMoves::Manually);
    world.run(1);
    world.done(&lower());
    world.run(101);
    let before = |world: &World| world.names().leave_before(world.bench.now);
    world.order(&Wish::Move).expect("the TTL has run out");
    world.run(5);
    assert_eq!(before(&world), None, "no server says so yet");
    let after = world.names().order.change.after().to_vec();
    world.serve(&after);
    world.run(1);
    let moved_at = world.names().moved_since().expect("every server says so");
    assert_eq!(before(&world), Some(moved_at));
    // The TTL before the move is 10 s: whoever came since then may have known of it.
    world.run(25);
    let ten_ago = world.bench.now.before(Duration::from_secs(10));
    assert_eq!(before(&world), Some(ten_ago));
    world.order(&Wish::Revert).expect("names have moved");
    assert_eq!(before(&world), None);
    // What nobody made leaves names where they are.
    let step = DnsStep {
        event: DnsEvent::Stopped(DnsPurpose::Revert),
        actor: Actor::Plan,
        reason: "somebody else changed the zone".to_owned(),
    };
    world.tell(step).expect("it is the last order");
    assert!(before(&world).is_some());
    world.order(&Wish::Revert).expect("names have moved");
    world.serve(&[set("192.0.2.1", 10)]);
    world.run(1);
    assert!(matches!(world.names().standing, DnsStanding::Served { .. }));
    assert_eq!(before(&world), None);
}

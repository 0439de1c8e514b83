//! Steady traffic is assigned and measured without an allocation.
//!
//! This runs in a process of its own, in one thread: the allocator that counts serves all of it. Where something is
//! allocated after all, the report in `target/tmp/allocations.json` says from where; DHAT's viewer shows it.

use std::{net::Ipv4Addr, sync::Arc, time::Duration};

use changeover::{
    measure::{Class, Interval, Outcome, Recorder, Ticket, Totals, WorkerId},
    plan::{CookiePlan, RouteId, RoutePlan, SplitPlan, Sticky, Writes},
    proxy::head::Identity,
    split::{
        Assignment, ClientKey, Draw, Facts, Intent, Publication, Reader, RouteTable, SplitTable,
        Target, WriterCell, assign, slot_of,
    },
    units::{Generation, PerSide, Salt, Side, Timestamp, Weight},
};
use http::Method;

#[global_allocator]
static ALLOCATOR: dhat::Alloc = dhat::Alloc;

/// Requests in flight at once.
const IN_FLIGHT: usize = 64;

/// Requests between two hand-overs.
const PER_TURN: usize = 2_000;

/// Turns that count, after as many that let every buffer grow.
const TURNS: usize = 50;

fn main() {
    let mut worker = Worker::new();
    worker.turns();
    let report = concat!(env!("CARGO_TARGET_TMPDIR"), "/allocations.json");
    let profiler = dhat::Profiler::builder()
        .testing()
        .file_name(report)
        .build();
    worker.turns();
    let counted = dhat::HeapStats::get().total_blocks;
    dhat::assert_eq!(counted, 0);
    // Lest the allocator count nothing at all.
    drop(std::hint::black_box(Box::new(counted)));
    let counted = dhat::HeapStats::get().total_blocks;
    dhat::assert_eq!(counted, 1);
    drop(profiler);
}

/// What one worker and the control loop do for each request but read and write it.
struct Worker {
    publication: Publication,
    reader: Reader,
    recorder: Recorder,
    in_flight: Vec<Option<Ticket>>,
    spare: Option<Interval>,
    totals: Totals,
    requests: usize,
}

impl Worker {
    fn new() -> Self {
        let publication = Publication::new(table());
        Self {
            reader: publication.reader(),
            publication,
            recorder: Recorder::new(WorkerId(0), PerSide { old: 3, new: 3 }),
            in_flight: (0..IN_FLIGHT).map(|_| None).collect(),
            spare: Some(Interval::empty(WorkerId(0), at(0))),
            totals: Totals::default(),
            requests: 0,
        }
    }

    fn turns(&mut self) {
        for _ in 0..TURNS {
            for _ in 0..PER_TURN {
                self.request();
            }
            self.hand_over();
        }
    }

    /// One request begins, and the one that had its place ends.
    fn request(&mut self) {
        self.requests += 1;
        let number = self.requests;
        let place = number % IN_FLIGHT;
        if let Some(ticket) = self.in_flight[place].take() {
            end(ticket, number);
        }
        let (assignment, route) = self.assign(number);
        let mut ticket = self.recorder.begin(assignment, route, at(number));
        assert!(self.reader.is_in_force(assignment.generation));
        if number.is_multiple_of(7) {
            ticket.body_started();
            ticket.body_sent(at(number));
        }
        ticket.choose(index(number % 3));
        self.in_flight[place] = Some(ticket);
    }

    fn assign(&mut self, number: usize) -> (Assignment, RouteId) {
        let table = self.reader.table();
        let methods = [Method::GET, Method::POST];
        let route = table.routes.find(Target {
            host: "shop.example",
            path: PATHS[number % PATHS.len()],
            method: &methods[number % 2],
        });
        let draw = Draw(fastrand::u64(..));
        let slot = match number % 3 {
            0 => slot_of(&table.salt, ClientKey(&number.to_be_bytes())),
            1 => Identity::Address(Ipv4Addr::LOCALHOST.into()).slot(&table.salt, draw),
            _ => Identity::Nobody.slot(&table.salt, draw),
        };
        let intent = [Intent::Read, Intent::Write][number % 2];
        let cell = WriterCell::of(ClientKey(&(number / 2).to_be_bytes()));
        let writers = self.publication.writers();
        if intent == Intent::Write {
            writers.wrote(cell, at(number));
        }
        let facts = Facts {
            route,
            intent,
            forced: number.is_multiple_of(31).then_some(Side::New),
            slot,
            is_kept: writers.is_kept(cell, Duration::from_secs(30), at(number)),
        };
        (assign(table, facts), route)
    }

    /// What is done ten times a second: the interval goes to the control loop, and its memory comes back.
    fn hand_over(&mut self) {
        let spare = self.spare.take().expect("it was given back");
        let interval = self.recorder.take(at(self.requests), spare);
        self.totals.add(&interval);
        self.spare = Some(interval);
        assert_eq!(
            self.publication.load().generation,
            Generation::new(7),
            "nothing is published meanwhile"
        );
    }
}

/// The many ways in which a request ends.
fn end(mut ticket: Ticket, number: usize) {
    ticket.sent();
    let class = match number % 11 {
        0 => return, // Its client went away, and so did its task.
        1 => Class::Timeout,
        2 => {
            ticket.fail_over(0);
            Class::Connect
        }
        3 => {
            ticket.reassign(ticket.assignment(), at(number));
            Class::ServerError
        }
        _ => Class::Success,
    };
    ticket.head(at(number));
    let outcome = Outcome {
        class,
        status: Some(200),
        is_failover: class == Class::Connect,
        bytes_up: 0,
        bytes_down: 15,
    };
    ticket.finish(outcome, at(number).after(Duration::from_micros(300)));
}

const PATHS: [&str; 4] = ["/", "/part/500/cart", "/part/7", "/nothing/here"];

fn table() -> SplitTable {
    let route = |number: usize| RoutePlan {
        name: format!("part-{number}"),
        host: None,
        path: format!("/part/{number}"),
        methods: Vec::new(),
        pin: number.is_multiple_of(500).then_some(Side::Old),
        writes: None,
        copied: None,
    };
    let routes: Vec<RoutePlan> = (0..1_000).map(route).collect();
    SplitTable {
        generation: Generation::new(7),
        weight: Weight::from_basis_points(5_000).expect("half of it"),
        salt: Salt::new([3; 16]),
        edition: 0,
        split: Arc::new(SplitPlan {
            sticky: Sticky::Cookie(CookiePlan {
                name: "changeover_id".to_owned(),
                lifetime: Duration::from_secs(3600),
            }),
            writes: Writes::Split,
            read_your_writes: None,
            reveals_side: false,
            force: None,
        }),
        routes: Arc::new(RouteTable::new(&routes)),
        withdrawal: None,
    }
}

/// A new request every 50 µs.
fn at(number: usize) -> Timestamp {
    let micros = i64::try_from(number).expect("a small number") * 50;
    Timestamp::from_micros(1_790_000_000_000_000 + micros)
}

fn index(number: usize) -> u16 {
    u16::try_from(number).expect("a small number")
}

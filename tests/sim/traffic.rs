//! The clients and their requests, from assignment to outcome, at virtual time.

use std::time::Duration;

use changeover::{
    measure::{Class, Outcome, Ticket},
    plan::{Limit, RouteId},
    split::{Assignment, Cause, ClientKey, Draw, Facts, Intent, SplitTable, assign, slot_of},
    units::{Generation, PerSide, Side, Timestamp, Weight},
};
use fastrand::Rng;

use crate::{
    checker::Violation,
    environment::{ENDPOINTS, Environment, Fate},
    process::Process,
};

/// A request that waits for its response head for longer is given up.
const HEAD_TIMEOUT: Duration = Duration::from_secs(3);

/// A new connection takes up to this long, and the request waits for it.
pub(crate) const CONNECT_MAX: Duration = Duration::from_millis(30);

/// How traffic comes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Traffic {
    /// Requests in each step of 100 ms, on average.
    pub(crate) per_step: f64,
    /// How many clients there are.
    pub(crate) clients: u32,
}

/// One request.
pub(crate) struct InFlight {
    ticket: Ticket,
    asks: Asks,
    phase: Phase,
}

/// What a request is, whatever table assigns it.
#[derive(Clone, Copy)]
struct Asks {
    /// `None` draws its own slot.
    client: Option<u32>,
    draw: Draw,
    route: RouteId,
    intent: Intent,
    forced: Option<Side>,
}

enum Phase {
    /// It waits for a connection.
    Queued(Timestamp),
    /// It was sent; its outcome comes then.
    Sent(Timestamp, Class),
}

/// One outcome, for the checker's own count.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Counted {
    pub(crate) assignment: Assignment,
    pub(crate) is_error: bool,
}

/// What a step of traffic showed.
#[derive(Default)]
pub(crate) struct Shown {
    pub(crate) counted: Vec<Counted>,
    /// Connects failed in a row as often as a trigger of the plan trips at.
    pub(crate) calls_for_a_turn: bool,
}

/// Lets a step's requests arrive, be sent, and end.
pub(crate) fn step(
    process: &mut Process,
    sides: &PerSide<Environment>,
    traffic: Traffic,
    now: Timestamp,
    rng: &mut Rng,
) -> Result<Shown, Violation> {
    let mut shown = Shown::default();
    let table = process.publication.load();
    arrive(process, &table, traffic, now, rng);
    let mut in_flight = std::mem::take(&mut process.in_flight);
    let mut kept = Vec::with_capacity(in_flight.len());
    for mut request in in_flight.drain(..) {
        if let Phase::Queued(until) = request.phase {
            if until > now {
                kept.push(request);
                continue;
            }
            match send(process, &table, sides, &mut request, until, rng)? {
                Sending::Goes => (),
                Sending::Refused => {
                    shown.calls_for_a_turn |= reaches_a_run(process);
                    shown.counted.push(Counted {
                        assignment: request.ticket.assignment(),
                        is_error: true,
                    });
                    finish(request.ticket, Class::Connect, until);
                    continue;
                }
            }
        }
        match request.phase {
            Phase::Sent(done_at, class) if done_at <= now => {
                shown.counted.push(Counted {
                    assignment: request.ticket.assignment(),
                    is_error: class.is_error(),
                });
                if class != Class::Timeout {
                    request.ticket.head(done_at);
                }
                finish(request.ticket, class, done_at);
            }
            Phase::Sent(..) | Phase::Queued(_) => kept.push(request),
        }
    }
    process.in_flight = kept;
    Ok(shown)
}

fn arrive(
    process: &mut Process,
    table: &SplitTable,
    traffic: Traffic,
    now: Timestamp,
    rng: &mut Rng,
) {
    // An exact mean with some scatter.
    let mean = traffic.per_step * 2.0 * rng.f64();
    let mut left = mean;
    while left >= 1.0 || rng.f64() < left {
        left -= 1.0;
        let back = rng.u64(1..100_000);
        let at = Timestamp::from_micros(now.micros() - i64::try_from(back).expect("it is small"));
        let asks = ask(traffic, table, rng);
        let assignment = assign(table, asks.facts(table));
        let worker = rng.usize(..process.workers.len());
        let ticket = process.workers[worker]
            .recorder
            .begin(assignment, asks.route, at);
        let wait = CONNECT_MAX.mul_f64(rng.f64());
        process.in_flight.push(InFlight {
            ticket,
            asks,
            phase: Phase::Queued(at.after(wait)),
        });
        if left <= 0.0 {
            break;
        }
    }
}

fn ask(traffic: Traffic, table: &SplitTable, rng: &mut Rng) -> Asks {
    let routes = (0_u16..).take_while(|id| table.routes.plan(RouteId(*id)).is_some());
    let routes = routes.count();
    let is_routed = routes > 0 && rng.u8(..10) == 0;
    let route = match is_routed {
        true => RouteId(u16::try_from(rng.usize(..routes)).expect("few routes")),
        false => RouteId::REST,
    };
    Asks {
        client: (rng.u8(..10) > 0).then(|| rng.u32(..traffic.clients)),
        draw: Draw(rng.u64(..)),
        route,
        intent: match rng.u8(..5) {
            0 => Intent::Write,
            _ => Intent::Read,
        },
        forced: (rng.u8(..200) == 0).then_some(Side::New),
    }
}

impl Asks {
    fn facts(&self, table: &SplitTable) -> Facts {
        Facts {
            route: self.route,
            intent: self.intent,
            forced: self.forced,
            slot: match self.client {
                Some(client) => slot_of(&table.salt, ClientKey(&client.to_be_bytes())),
                None => self.draw.slot(),
            },
            is_kept: false,
        }
    }
}

/// What a request takes that a drill has touched.
const DRILLED: Duration = Duration::from_millis(5);

enum Sending {
    Goes,
    Refused,
}

/// Sends a request, after asking once more whether its table is still in force.
fn send(
    process: &mut Process,
    table: &SplitTable,
    sides: &PerSide<Environment>,
    request: &mut InFlight,
    at: Timestamp,
    rng: &mut Rng,
) -> Result<Sending, Violation> {
    if request.ticket.assignment().generation != table.generation {
        let again = assign(table, request.asks.facts(table));
        request.ticket.reassign(again, at);
    }
    let Assignment { side, cause, .. } = request.ticket.assignment();
    if process.state.position.weight == Weight::NONE && side == Side::New && cause != Cause::Forced
    {
        return Err(Violation::new("a request was sent to new at weight 0"));
    }
    request.ticket.choose(rng.u16(..ENDPOINTS));
    let is_drilled = side == Side::New
        && cause == Cause::Weighted
        && process.publication.injected().get().is_some();
    if is_drilled {
        process.drilled += 1;
        request.phase = Phase::Sent(at.after(DRILLED), Class::ServerError);
        return Ok(Sending::Goes);
    }
    match sides[side].answer(rng) {
        Fate::Refused => {
            process.connects.failed(side, at, at);
            return Ok(Sending::Refused);
        }
        Fate::Answered(latency, class) => {
            process.connects.succeeded(side);
            request.phase = Phase::Sent(at.after(latency), class);
        }
        Fate::Unanswered => {
            process.connects.succeeded(side);
            request.phase = Phase::Sent(at.after(HEAD_TIMEOUT), Class::Timeout);
        }
    }
    request.ticket.sent();
    Ok(Sending::Goes)
}

fn finish(ticket: Ticket, class: Class, at: Timestamp) {
    let outcome = Outcome {
        class,
        status: None,
        is_failover: false,
        bytes_up: 0,
        bytes_down: 0,
    };
    ticket.finish(outcome, at);
}

/// Whether new's run of failed connects has just become as long as a trigger asks for.
fn reaches_a_run(process: &Process) -> bool {
    let (failures, _) = process.connects.run(Side::New);
    let mut triggers = process.plan.triggers.iter();
    triggers.any(|it| matches!(it.limit, Limit::InARow(count) if failures >= count))
}

/// What a sample of clients gets from a table: for comparing tables.
pub(crate) fn sides_of(table: &SplitTable, clients: u32) -> Vec<Side> {
    let facts = |client: u32| Facts {
        route: RouteId::REST,
        intent: Intent::Read,
        forced: None,
        slot: slot_of(&table.salt, ClientKey(&client.to_be_bytes())),
        is_kept: false,
    };
    let sides = (0..clients).map(|client| assign(table, facts(client)).side);
    sides.collect()
}

impl Counted {
    /// Whether it counts for a position of this generation.
    pub(crate) fn is_since(&self, generation: Generation) -> bool {
        self.assignment.generation >= generation && self.assignment.cause != Cause::Forced
    }
}

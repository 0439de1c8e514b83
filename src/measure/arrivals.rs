//! What still arrives at this proxy, minute by minute and by listener: requests, clients, and who comes most.
//!
//! A worker logs each request that it has taken in ([`Arrived`]); the control loop adds them up here. It shows what DNS
//! alone cannot: whether clients have gone.

mod decay;

use std::{
    cmp::Reverse,
    collections::{HashMap, VecDeque},
    net::IpAddr,
    time::Duration,
};

use serde::{Deserialize, Serialize};

use crate::units::Timestamp;

pub use decay::{Decay, NoDecay};

/// Minutes that are kept, and shown.
const MINUTES_MAX: usize = 60;

/// Clients of one listener that are told apart within a minute, in 0.6 MiB at most.
pub const CLIENTS_MAX: usize = 10_000;

/// Requests whose clients one worker keeps until they are taken, in 2.5 MiB at most; a tenth of a second of traffic.
const ARRIVED_MAX: usize = 1 << 17;

/// Clients of a minute that are named: those that came most.
const BUSIEST: usize = 10;

/// Seconds that are kept apart: the longest window, and the second that it begins within.
const SECONDS_MAX: usize = 61;

const MINUTE: i64 = 60;

/// What one worker took in between two hand-overs.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Arrived {
    /// Requests, by the listener's place in the plan.
    pub requests: Vec<u32>,
    /// The listener and the client of each, but for those that found no room.
    pub clients: Vec<(u16, IpAddr)>,
}

impl Arrived {
    /// Notes a request that was taken in.
    pub(super) fn note(&mut self, listener: u16, client: IpAddr) {
        let place = usize::from(listener);
        if self.requests.len() <= place {
            self.requests.resize(place + 1, 0);
        }
        self.requests[place] = self.requests[place].saturating_add(1);
        if self.clients.len() < ARRIVED_MAX {
            self.clients.push((listener, client));
        }
    }

    fn requests(&self) -> u64 {
        self.requests.iter().copied().map(u64::from).sum()
    }

    /// Forgets everything, and keeps the memory.
    pub(super) fn clear(&mut self) {
        self.requests.clear();
        self.clients.clear();
    }

    /// Takes in what came before.
    pub(super) fn put_back(&mut self, earlier: Self) {
        let count = self.requests.len().max(earlier.requests.len());
        self.requests.resize(count, 0);
        for (requests, before) in self.requests.iter_mut().zip(&earlier.requests) {
            *requests = requests.saturating_add(*before);
        }
        let room = ARRIVED_MAX.saturating_sub(self.clients.len());
        self.clients.extend(earlier.clients.into_iter().take(room));
    }
}

/// What arrives, now and within the last hour. Stored without its minutes, which name clients and decide nothing.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Arrivals {
    /// Requests of each second that had any, by the second's number since 1970; oldest first.
    seconds: VecDeque<(i64, u64)>,
    /// Minutes that have ended, oldest first.
    #[serde(skip)]
    minutes: VecDeque<Minute>,
    /// The minute that runs; none before the first turn.
    #[serde(skip)]
    open: Option<Open>,
}

/// A minute that has ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Minute {
    /// When it began.
    pub at: Timestamp,
    /// What arrived, by the listener's place in the plan; those at the end without a request may be missing.
    pub listeners: Vec<Count>,
    /// Whether every worker reported all the time.
    pub is_whole: bool,
    /// Who came most, the first of them most often.
    pub busiest: Vec<Visitor>,
}

/// What arrived at one listener within a minute.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Count {
    /// Requests.
    pub requests: u64,
    /// Addresses that they came from.
    pub clients: u64,
    /// Whether there were more clients than were told apart.
    pub is_least: bool,
}

/// A client and how often it came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Visitor {
    /// Its address.
    pub address: IpAddr,
    /// Its requests.
    pub requests: u64,
}

/// The minute that runs.
#[derive(Clone, Debug)]
struct Open {
    /// Minutes since 1970.
    number: i64,
    listeners: Vec<OpenCount>,
    is_whole: bool,
}

#[derive(Clone, Debug, Default)]
struct OpenCount {
    requests: u64,
    clients: HashMap<IpAddr, u64>,
    is_least: bool,
}

impl Arrivals {
    /// Takes in what workers handed over since the last turn; `is_whole` where that is all there was.
    pub fn turn<'a>(
        &mut self,
        arrived: impl IntoIterator<Item = &'a Arrived>,
        is_whole: bool,
        now: Timestamp,
    ) {
        let open = self.roll(now);
        open.is_whole &= is_whole;
        let mut requests = 0;
        for it in arrived {
            requests += it.requests();
            open.add(it);
        }
        let second = second_of(now);
        match self.seconds.back_mut() {
            Some((last, count)) if *last >= second => *count += requests,
            Some(_) | None if requests > 0 => self.seconds.push_back((second, requests)),
            Some(_) | None => (),
        }
        while self.seconds.len() > SECONDS_MAX {
            self.seconds.pop_front();
        }
    }

    /// Requests within the last `window`, a minute at most. What arrived up to a second before it is counted too, so that
    /// none is missed.
    #[must_use]
    pub fn within(&self, window: Duration, now: Timestamp) -> u64 {
        let window = i64::try_from(window.as_secs().max(1)).unwrap_or(i64::MAX);
        let first = second_of(now).saturating_sub(window);
        let recent = self.seconds.iter().rev().take_while(|it| it.0 >= first);
        recent.map(|it| it.1).sum()
    }

    /// Minutes that have ended, oldest first; an hour's at most.
    pub fn minutes(&self) -> impl DoubleEndedIterator<Item = &Minute> + ExactSizeIterator {
        self.minutes.iter()
    }

    /// How the requests of whole minutes that began at `since` or later have gone down.
    ///
    /// # Errors
    /// Why that cannot be said.
    pub fn decay(&self, since: Timestamp) -> Result<Decay, NoDecay> {
        let after = self
            .minutes
            .iter()
            .rev()
            .take_while(|it| it.at >= since)
            .filter(|it| it.is_whole);
        let points: Vec<(Timestamp, u64)> = after.map(|it| (it.at, it.requests())).collect();
        Decay::fit(&points)
    }

    /// Ends the minute that ran if it is over; gives the one that runs.
    fn roll(&mut self, now: Timestamp) -> &mut Open {
        let number = minute_of(now);
        match self.open.take_if(|it| it.number < number) {
            None => (),
            Some(mut ended) => {
                // Where the loop stood still for minutes, what it finds belongs to none of them for sure.
                let has_stood = number > ended.number + 1;
                ended.is_whole &= !has_stood;
                if self.minutes.len() == MINUTES_MAX {
                    self.minutes.pop_front();
                }
                self.minutes.push_back(ended.end());
                self.open = Some(Open::begin(number, !has_stood));
            }
        }
        // Nobody counted at the beginning of the first one.
        self.open.get_or_insert_with(|| Open::begin(number, false))
    }
}

impl Minute {
    /// Requests on all listeners.
    #[must_use]
    pub fn requests(&self) -> u64 {
        self.listeners.iter().map(|it| it.requests).sum()
    }
}

impl Open {
    const fn begin(number: i64, is_whole: bool) -> Self {
        Self {
            number,
            listeners: Vec::new(),
            is_whole,
        }
    }

    fn add(&mut self, arrived: &Arrived) {
        let count = self.listeners.len().max(arrived.requests.len());
        self.listeners.resize_with(count, OpenCount::default);
        for (listener, requests) in self.listeners.iter_mut().zip(&arrived.requests) {
            listener.requests += u64::from(*requests);
        }
        let named = u64::try_from(arrived.clients.len()).unwrap_or(u64::MAX);
        let is_least = named < arrived.requests();
        for listener in &mut self.listeners {
            listener.is_least |= is_least;
        }
        for (listener, client) in &arrived.clients {
            if let Some(listener) = self.listeners.get_mut(usize::from(*listener)) {
                listener.see(*client);
            }
        }
    }

    fn end(self) -> Minute {
        let mut visitors: HashMap<IpAddr, u64> = HashMap::new();
        let mut counts = Vec::with_capacity(self.listeners.len());
        for listener in self.listeners {
            counts.push(Count {
                requests: listener.requests,
                clients: u64::try_from(listener.clients.len()).unwrap_or(u64::MAX),
                is_least: listener.is_least,
            });
            listener
                .clients
                .into_iter()
                .for_each(|(client, requests)| *visitors.entry(client).or_default() += requests);
        }
        Minute {
            at: Timestamp::from_micros(self.number.saturating_mul(MINUTE * 1_000_000)),
            listeners: counts,
            is_whole: self.is_whole,
            busiest: busiest(visitors),
        }
    }
}

impl OpenCount {
    fn see(&mut self, client: IpAddr) {
        if let Some(requests) = self.clients.get_mut(&client) {
            *requests += 1;
        } else if self.clients.len() < CLIENTS_MAX {
            self.clients.insert(client, 1);
        } else {
            self.is_least = true;
        }
    }
}

/// Those that came most; of those that came as often, the lower address first.
fn busiest(visitors: HashMap<IpAddr, u64>) -> Vec<Visitor> {
    let visitors = visitors.into_iter();
    let mut visitors: Vec<Visitor> = visitors
        .map(|(address, requests)| Visitor { address, requests })
        .collect();
    visitors.sort_unstable_by_key(|it| (Reverse(it.requests), it.address));
    visitors.truncate(BUSIEST);
    visitors
}

const fn second_of(at: Timestamp) -> i64 {
    at.micros().div_euclid(1_000_000)
}

const fn minute_of(at: Timestamp) -> i64 {
    second_of(at).div_euclid(MINUTE)
}

#[cfg(test)]
mod tests;

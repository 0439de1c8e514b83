//! What each peer has left: connections, requests, and wrong tokens.
//!
//! A peer is an address, and of IPv6 the network of 64 bits that one customer gets. Whoever has a valid token is
//! counted by name instead, so that a flood from somebody's address does not keep that somebody from rolling back.
//!
//! Once a peer has sent too many wrong tokens, its tokens are not believed until time has passed, right or wrong, so
//! that guessing is slow. Only an operator whose token came from there before is still let through: otherwise
//! anybody behind the same address could lock the operators out.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::{IpAddr, Ipv6Addr},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use crate::{
    admin::rate::{Bucket, Rate},
    plan::AdminPlan,
};

/// Peers that are remembered; more than there can be connections. Beyond it the one that was quiet longest is forgotten.
const PEERS_MAX: usize = 1024;

/// Requests at once after a rest, in seconds' worth.
const BURST_SECONDS: u32 = 5;

/// Wrong tokens of one peer: enough for people who paste the wrong one, useless for guessing.
const WRONG_TOKENS: Rate = Rate {
    interval: Duration::from_secs(1),
    burst: 10,
};

/// Whom a request comes from, as far as its token shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Claim<'a> {
    /// No token was sent, or none is asked for.
    Nobody,
    /// An operator's.
    Operator(&'a str),
    /// One that nobody has.
    Wrong,
}

/// Why a request is not looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Excess {
    /// Too many requests.
    Requests,
    /// Too many wrong tokens from this peer.
    WrongTokens,
}

/// Everything that is remembered about peers and operators.
#[derive(Debug, Default)]
pub(crate) struct Peers {
    inner: Mutex<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    peers: BTreeMap<IpAddr, Peer>,
    /// What each operator has left, by name.
    operators: BTreeMap<String, Bucket>,
}

#[derive(Debug)]
struct Peer {
    connections: usize,
    requests: Bucket,
    wrong_tokens: Bucket,
    /// Operators whose token came from here.
    known: BTreeSet<String>,
    seen: Instant,
}

/// One open connection of a peer; dropping it makes room for another.
#[derive(Debug)]
pub(crate) struct Place {
    peers: Arc<Peers>,
    peer: IpAddr,
}

impl Peers {
    /// Counts a new connection; `None` if the peer has enough of them.
    pub(crate) fn admit(
        self: &Arc<Self>,
        plan: &AdminPlan,
        address: IpAddr,
        now: Instant,
    ) -> Option<Place> {
        let mut inner = self.lock();
        let key = key(address);
        let peer = inner.peer(key, now);
        if peer.connections >= plan.limits.connections_per_peer {
            return None;
        }
        peer.connections += 1;
        drop(inner);
        Some(Place {
            peers: Arc::clone(self),
            peer: key,
        })
    }

    /// Counts a request.
    pub(crate) fn count(
        &self,
        plan: &AdminPlan,
        address: IpAddr,
        claim: Claim<'_>,
        now: Instant,
    ) -> Result<(), Excess> {
        let rate = Rate::per_second(plan.limits.requests_per_second, BURST_SECONDS);
        let mut inner = self.lock();
        let peer = inner.peer(key(address), now);
        let is_believed = peer.wrong_tokens.has_one(WRONG_TOKENS, now);
        match claim {
            Claim::Operator(name) if is_believed || peer.known.contains(name) => {
                peer.known.insert(name.to_owned());
                match inner.operator(name, plan, now).take(rate, now) {
                    true => Ok(()),
                    false => Err(Excess::Requests),
                }
            }
            Claim::Operator(_) => Err(Excess::WrongTokens),
            Claim::Nobody | Claim::Wrong if !peer.requests.take(rate, now) => Err(Excess::Requests),
            Claim::Wrong if !peer.wrong_tokens.take(WRONG_TOKENS, now) => Err(Excess::WrongTokens),
            Claim::Nobody | Claim::Wrong => Ok(()),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        // What is counted stays usable whatever panicked meanwhile.
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    fn peer(&mut self, key: IpAddr, now: Instant) -> &mut Peer {
        if !self.peers.contains_key(&key) && self.peers.len() >= PEERS_MAX {
            self.forget();
        }
        let peer = self.peers.entry(key).or_insert_with(|| Peer {
            connections: 0,
            requests: Bucket::full(now),
            wrong_tokens: Bucket::full(now),
            known: BTreeSet::new(),
            seen: now,
        });
        peer.seen = now;
        peer
    }

    /// Forgets the peer without a connection that was quiet longest; strangers go first.
    fn forget(&mut self) {
        let idle = self.peers.iter().filter(|(_, it)| it.connections == 0);
        let oldest = idle.min_by_key(|(_, it)| (!it.known.is_empty(), it.seen));
        if let Some(key) = oldest.map(|(key, _)| *key) {
            self.peers.remove(&key);
        }
    }

    fn operator(&mut self, name: &str, plan: &AdminPlan, now: Instant) -> &mut Bucket {
        // Names that a reload took away are dropped once they have nothing to remember.
        if self.operators.len() > plan.operators.len() {
            self.operators.retain(|_, bucket| !bucket.is_full(now));
        }
        let entry = self.operators.entry(name.to_owned());
        entry.or_insert_with(|| Bucket::full(now))
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        if let Some(peer) = self.peers.lock().peers.get_mut(&self.peer) {
            peer.connections = peer.connections.saturating_sub(1);
        }
    }
}

/// What counts as one peer.
fn key(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V4(address) => IpAddr::V4(address),
        IpAddr::V6(address) => {
            let [a, b, c, d, ..] = address.segments();
            IpAddr::V6(Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{clock, plan::AdminLimits};

    fn plan() -> AdminPlan {
        AdminPlan {
            limits: AdminLimits {
                requests_per_second: 2,
                connections_per_peer: 3,
            },
            ..AdminPlan::local("127.0.0.1:9700".parse().unwrap())
        }
    }

    fn address(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn a_peer_has_so_many_connections_at_once() {
        let (plan, peers, now) = (plan(), Arc::new(Peers::default()), clock::now());
        let admit = |from: &str| peers.admit(&plan, address(from), now);
        let mut places: Vec<_> = (0..3).filter_map(|_| admit("10.0.0.1")).collect();
        assert_eq!(places.len(), 3);
        assert!(admit("10.0.0.1").is_none());
        assert!(admit("::ffff:10.0.0.1").is_none());
        assert!(admit("10.0.0.2").is_some());
        places.pop();
        assert!(admit("10.0.0.1").is_some());
    }

    #[test]
    fn a_flood_from_an_address_leaves_its_operators_alone() {
        let (plan, peers, now) = (plan(), Peers::default(), clock::now());
        let count = |from: &str, claim| peers.count(&plan, address(from), claim, now);
        for _ in 0..10 {
            assert_eq!(count("2001:db8::1", Claim::Nobody), Ok(()));
        }
        let excess = Err(Excess::Requests);
        assert_eq!(count("2001:db8::1", Claim::Nobody), excess);
        assert_eq!(count("2001:db8::2", Claim::Nobody), excess, "same network");
        assert_eq!(count("2001:db8:0:1::1", Claim::Nobody), Ok(()));
        for _ in 0..10 {
            assert_eq!(count("2001:db8::1", Claim::Operator("ada")), Ok(()));
        }
        assert_eq!(count("2001:db8::1", Claim::Operator("ada")), excess);
        assert_eq!(count("2001:db8::1", Claim::Operator("otto")), Ok(()));
    }

    #[test]
    fn after_too_many_wrong_tokens_right_ones_are_not_believed_but_known_ones() {
        let plan = AdminPlan {
            limits: AdminLimits::DEFAULT,
            ..plan()
        };
        let (peers, now) = (Peers::default(), clock::now());
        let count = |claim, now| peers.count(&plan, address("10.0.0.1"), claim, now);
        assert_eq!(count(Claim::Operator("ada"), now), Ok(()));
        for _ in 0..WRONG_TOKENS.burst {
            assert_eq!(count(Claim::Wrong, now), Ok(()));
        }
        let excess = Err(Excess::WrongTokens);
        assert_eq!(count(Claim::Wrong, now), excess);
        assert_eq!(count(Claim::Operator("otto"), now), excess);
        assert_eq!(count(Claim::Operator("ada"), now), Ok(()));
        assert_eq!(count(Claim::Nobody, now), Ok(()));
        let later = now + WRONG_TOKENS.interval;
        assert_eq!(count(Claim::Operator("otto"), later), Ok(()));
        assert_eq!(count(Claim::Wrong, later), Ok(()));
        assert_eq!(count(Claim::Wrong, later), excess);
    }

    #[test]
    fn memory_is_bounded_and_forgets_strangers_first() {
        let (plan, peers, now) = (plan(), Arc::new(Peers::default()), clock::now());
        let place = peers.admit(&plan, address("10.0.0.1"), now);
        let ada = peers.count(&plan, address("10.0.0.2"), Claim::Operator("ada"), now);
        assert_eq!(ada, Ok(()));
        for number in 0..2000_u32 {
            let from = Ipv6Addr::from(u128::from(number) << 64 | 1 << 120);
            let later = now + Duration::from_secs(1);
            let counted = peers.count(&plan, from.into(), Claim::Nobody, later);
            assert_eq!(counted, Ok(()));
        }
        let inner = peers.lock();
        assert_eq!(inner.peers.len(), PEERS_MAX);
        assert_eq!(inner.peers[&address("10.0.0.1")].connections, 1);
        assert!(inner.peers[&address("10.0.0.2")].known.contains("ada"));
        drop(inner);
        drop(place);
    }
}

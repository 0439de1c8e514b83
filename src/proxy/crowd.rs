//! Who is connected from where: how many connections each client address has, over all workers.
//!
//! Asked once a connection, and only where the plan limits it; a request never comes here.

use std::{
    collections::HashMap,
    net::{IpAddr, Ipv6Addr},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

/// Parts of the crowd, so that workers that accept at the same time seldom meet.
const PARTS: usize = 16;

/// All clients, by address.
#[derive(Debug, Default)]
pub(crate) struct Crowd([Mutex<HashMap<IpAddr, usize>>; PARTS]);

/// One connection of a client; dropping it makes room for another one of the same address.
#[derive(Debug)]
pub(crate) struct Member {
    crowd: Arc<Crowd>,
    address: IpAddr,
}

impl Crowd {
    /// Lets a connection in; `None` where its address has `most` already. An IPv6 client is known by its /64, of which it may
    /// use every address.
    pub(crate) fn enter(self: &Arc<Self>, address: IpAddr, most: usize) -> Option<Member> {
        let address = known_by(address);
        let mut part = self.part(address);
        let count = part.entry(address).or_default();
        if *count >= most {
            return None;
        }
        *count += 1;
        drop(part);
        Some(Member {
            crowd: Arc::clone(self),
            address,
        })
    }

    fn part(&self, address: IpAddr) -> MutexGuard<'_, HashMap<IpAddr, usize>> {
        let index = match address {
            IpAddr::V4(it) => usize::from(it.octets()[3]),
            IpAddr::V6(it) => usize::from(it.octets()[7]),
        };
        // A count stays right whatever panicked while it was held.
        self.0[index % PARTS]
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Member {
    fn drop(&mut self) {
        let mut part = self.crowd.part(self.address);
        if let Some(count) = part.get_mut(&self.address) {
            *count -= 1;
            if *count == 0 {
                part.remove(&self.address);
            }
        }
    }
}

fn known_by(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V4(_) => address,
        IpAddr::V6(it) => {
            let [a, b, c, d, ..] = it.segments();
            IpAddr::V6(Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn each_address_has_so_many_places_and_gets_them_back() {
        let crowd = Arc::new(Crowd::default());
        let first = crowd.enter(address("192.0.2.1"), 2).unwrap();
        let _second = crowd.enter(address("192.0.2.1"), 2).unwrap();
        assert!(crowd.enter(address("192.0.2.1"), 2).is_none());
        let other = crowd.enter(address("192.0.2.2"), 2);
        assert!(other.is_some());
        drop(first);
        assert!(crowd.enter(address("192.0.2.1"), 2).is_some());
        drop(other);
        assert!(
            !crowd
                .part(address("192.0.2.2"))
                .contains_key(&address("192.0.2.2"))
        );
    }

    #[test]
    fn a_client_of_ipv6_is_known_by_its_network() {
        let crowd = Arc::new(Crowd::default());
        let _first = crowd.enter(address("2001:db8:0:1::1"), 1).unwrap();
        assert!(crowd.enter(address("2001:db8:0:1:ffff::2"), 1).is_none());
        assert!(crowd.enter(address("2001:db8:0:2::1"), 1).is_some());
    }
}

//! Bytes that clients make this process hold: what came of them and cannot go on, and what they do not take.
//!
//! Each worker keeps an account, and whoever must wait with bytes in hand has an entry in it. What a request or an answer carries
//! while it passes is in none: entries are made where something waits. A stream of HTTP/2 may be filled by its other end at any
//! moment while nobody reads it, and is counted with all that it may hold. Not counted: what the kernel holds for a socket, TLS,
//! and heads that were read.

use std::{
    cell::Cell,
    rc::Rc,
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
};

/// What all workers hold, as far as they have said so.
#[derive(Debug, Default)]
pub(crate) struct Holdings(AtomicI64);

/// A worker says what has changed once it is so much, so that requests do not meet at one counter.
const SAID_STEP: i64 = 64 * 1024;

/// What one worker holds.
#[derive(Debug, Default)]
pub(crate) struct Account {
    held: Cell<i64>,
    said: Cell<i64>,
    all: Arc<Holdings>,
}

/// What one buffer holds; nothing once it is dropped.
#[derive(Debug)]
pub(crate) struct Holding {
    account: Rc<Account>,
    bytes: Cell<i64>,
}

impl Account {
    /// Nothing yet, of a worker whose process holds `all`.
    pub(crate) fn new(all: Arc<Holdings>) -> Self {
        Self {
            held: Cell::new(0),
            said: Cell::new(0),
            all,
        }
    }

    /// Bytes that the worker holds.
    pub(crate) fn held(&self) -> u64 {
        u64::try_from(self.held.get()).unwrap_or(0)
    }

    /// Whether all workers together hold more than `most` bytes; off by what each of the others has not said, less than 64 KiB.
    pub(crate) fn is_over(&self, most: usize) -> bool {
        let unsaid = self.held.get() - self.said.get();
        let all = self.all.0.load(Ordering::Relaxed) + unsaid;
        all > i64::try_from(most).unwrap_or(i64::MAX)
    }

    fn add(&self, more: i64) {
        let held = self.held.get() + more;
        self.held.set(held);
        let unsaid = held - self.said.get();
        if unsaid.abs() >= SAID_STEP {
            self.all.0.fetch_add(unsaid, Ordering::Relaxed);
            self.said.set(held);
        }
    }
}

/// A worker that ends holds nothing.
impl Drop for Account {
    fn drop(&mut self) {
        self.all.0.fetch_sub(self.said.get(), Ordering::Relaxed);
    }
}

impl Holding {
    /// An entry of nothing.
    pub(crate) fn new(account: Rc<Account>) -> Self {
        Self {
            account,
            bytes: Cell::new(0),
        }
    }

    /// It holds so many bytes now.
    pub(crate) fn set(&self, bytes: usize) {
        let bytes = i64::try_from(bytes).unwrap_or(i64::MAX);
        let before = self.bytes.replace(bytes);
        if before != bytes {
            self.account.add(bytes - before);
        }
    }
}

impl Drop for Holding {
    fn drop(&mut self) {
        self.set(0);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn accounts(count: usize) -> (Arc<Holdings>, Vec<Rc<Account>>) {
        let all = Arc::new(Holdings::default());
        let account = || Rc::new(Account::new(Arc::clone(&all)));
        let accounts = (0..count).map(|_| account()).collect();
        (all, accounts)
    }

    #[test]
    fn what_is_dropped_holds_nothing() {
        let (all, mut accounts) = accounts(1);
        let account = accounts.remove(0);
        let (one, other) = (
            Holding::new(Rc::clone(&account)),
            Holding::new(Rc::clone(&account)),
        );
        one.set(100_000);
        other.set(7);
        one.set(200_000);
        assert_eq!(account.held(), 200_007);
        assert!(account.is_over(200_006) && !account.is_over(200_007));
        drop(one);
        assert_eq!(account.held(), 7);
        drop(other);
        assert_eq!(account.held(), 0);
        drop(account);
        assert_eq!(all.0.load(Ordering::Relaxed), 0);
    }

    #[test]
    fn a_worker_knows_what_the_others_hold() {
        let (_, accounts) = accounts(2);
        let far = Holding::new(Rc::clone(&accounts[0]));
        far.set(1 << 20);
        assert!(accounts[1].is_over((1 << 20) - 1));
        let near = Holding::new(Rc::clone(&accounts[1]));
        near.set(1);
        assert!(
            accounts[1].is_over(1 << 20),
            "its own are known to the byte"
        );
        far.set(0);
        assert!(!accounts[1].is_over(1));
    }

    proptest! {
        #[test]
        fn no_worker_is_off_by_more_than_the_others_have_not_said(
            changes in prop::collection::vec((0..3_usize, 0..4_usize, 0..300_000_usize), 0..60),
        ) {
            let (_, accounts) = accounts(3);
            let entries: Vec<Vec<Holding>> = accounts
                .iter()
                .map(|it| (0..4).map(|_| Holding::new(Rc::clone(it))).collect())
                .collect();
            let mut held = [[0; 4]; 3];
            for (worker, entry, bytes) in changes {
                entries[worker][entry].set(bytes);
                held[worker][entry] = bytes;
                let all: usize = held.iter().flatten().sum();
                let slack = 2 * 64 * 1024;
                for (account, held) in accounts.iter().zip(&held) {
                    prop_assert_eq!(account.held(), held.iter().sum::<usize>() as u64);
                    prop_assert!(!account.is_over(all + slack));
                    prop_assert!(all <= slack || account.is_over(all - slack));
                }
            }
        }
    }
}

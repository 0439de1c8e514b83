//! Where readings of lag stand: written by who watches, read by the control loop and the admin API.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use arc_swap::ArcSwap;

use crate::{
    measure::{Lag, LagReading, STALE_AFTER},
    units::{Direction, Timestamp},
};

/// Readings that the rolling window holds: one a second.
const WINDOW: usize = 60;

/// The latest readings of every replication, by its name.
#[derive(Debug, Default)]
pub struct LagBoard(ArcSwap<BTreeMap<(String, Direction), Arc<Window>>>);

/// The readings of the last minute, the latest one last.
#[derive(Clone, Debug, Default)]
struct Window {
    readings: Vec<(Timestamp, LagReading)>,
    passed: Option<Timestamp>,
}

/// One direction of one replication, as of now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LagView {
    /// The latest reading; unknown where there is none, or none that is recent.
    pub reading: LagReading,
    /// When it was taken, if there ever was one.
    pub at: Option<Timestamp>,
    /// The longest lag that is known of the last minute.
    pub span_max: Option<Duration>,
    /// Readings of the last minute that were unknown.
    pub unknown: usize,
}

impl LagBoard {
    /// Puts up a reading, and up to when what was written on the source is on the target, where that is known. There is one
    /// writer for each name.
    pub fn put(
        &self,
        (name, direction): (&str, Direction),
        (reading, passed): (LagReading, Option<Timestamp>),
        at: Timestamp,
    ) {
        self.0.rcu(|before| {
            let mut next = BTreeMap::clone(before);
            let window = next.entry((name.to_owned(), direction)).or_default();
            let window = Arc::make_mut(window);
            if window.readings.len() == WINDOW {
                window.readings.remove(0);
            }
            window.readings.push((at, reading.clone()));
            window.passed = passed.or(window.passed);
            next
        });
    }

    /// Forgets everything, as before another plan is watched.
    pub fn clear(&self) {
        self.0.store(Arc::default());
    }

    /// Whether anything was ever read of it.
    #[must_use]
    pub fn knows(&self, name: &str, direction: Direction) -> bool {
        self.0.load().contains_key(&(name.to_owned(), direction))
    }

    /// What was written on the source up to this moment is on the target.
    #[must_use]
    pub fn passed(&self, name: &str, direction: Direction) -> Option<Timestamp> {
        let windows = self.0.load();
        windows.get(&(name.to_owned(), direction))?.passed
    }

    /// What is known of it now.
    #[must_use]
    pub fn view(&self, name: &str, direction: Direction, now: Timestamp) -> LagView {
        let windows = self.0.load();
        let window = windows.get(&(name.to_owned(), direction));
        let readings = window.map_or(&[][..], |it| &it.readings);
        let known = readings.iter().filter_map(|(_, it)| match it {
            LagReading::Known(Lag { span, .. }) => Some(*span),
            LagReading::Unknown { .. } => None,
        });
        let known: Vec<Duration> = known.collect();
        let latest = readings.last();
        LagView {
            reading: latest.map_or_else(
                || LagReading::unknown("it was not read yet"),
                |(at, reading)| current(*at, reading, now),
            ),
            at: latest.map(|(at, _)| *at),
            span_max: known.iter().max().copied(),
            unknown: readings.len() - known.len(),
        }
    }
}

/// A reading that is too old says nothing about the present.
fn current(at: Timestamp, reading: &LagReading, now: Timestamp) -> LagReading {
    let age = now.since(at);
    if age <= STALE_AFTER {
        return reading.clone();
    }
    let seconds = age.as_secs();
    match reading {
        LagReading::Known(_) => LagReading::unknown(format!("no reading for {seconds} s")),
        LagReading::Unknown { why } => {
            LagReading::unknown(format!("no reading for {seconds} s; before that: {why}"))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn known(seconds: u64) -> LagReading {
        LagReading::Known(Lag {
            span: Duration::from_secs(seconds),
            bytes: 0,
            wal_lasts: None,
        })
    }

    fn at(seconds: u64) -> Timestamp {
        Timestamp::from_micros(0).after(Duration::from_secs(seconds))
    }

    const SHOP: (&str, Direction) = ("shop", Direction::Forward);

    fn put(board: &LagBoard, reading: LagReading, second: u64) {
        board.put(SHOP, (reading, None), at(second));
    }

    #[test]
    fn what_has_arrived_stays_so_while_nothing_is_known() {
        let board = LagBoard::default();
        let passed = || board.passed(SHOP.0, SHOP.1);
        assert_eq!(passed(), None);
        board.put(SHOP, (known(1), Some(at(9))), at(10));
        board.put(SHOP, (LagReading::unknown("down"), None), at(11));
        assert_eq!(passed(), Some(at(9)));
        board.clear();
        assert_eq!(passed(), None);
    }

    #[test]
    fn a_reading_is_shown_while_it_is_recent() {
        let board = LagBoard::default();
        let view = |now| board.view("shop", Direction::Forward, at(now)).reading;
        assert!(matches!(view(0), LagReading::Unknown { .. }));
        put(&board, known(1), 10);
        assert_eq!(view(13), known(1));
        assert!(matches!(view(14), LagReading::Unknown { .. }));
        assert!(!board.knows("shop", Direction::Reverse));
    }

    #[test]
    fn the_window_holds_a_minute() {
        let board = LagBoard::default();
        put(&board, known(9), 0);
        put(&board, LagReading::unknown("down"), 1);
        for second in 2..60 {
            put(&board, known(1), second);
        }
        let view = || board.view("shop", Direction::Forward, at(60));
        assert_eq!(
            (view().span_max, view().unknown),
            (Some(Duration::from_secs(9)), 1)
        );
        put(&board, known(1), 60);
        put(&board, known(1), 61);
        assert_eq!(
            (view().span_max, view().unknown),
            (Some(Duration::from_secs(1)), 0)
        );
        board.clear();
        assert!(!board.knows("shop", Direction::Forward));
    }
}

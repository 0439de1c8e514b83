//! When starts and advances may happen: weekly times of day in an IANA time zone.

use jiff::{
    Timestamp as Instant, ToSpan,
    civil::{Time, Weekday},
    tz::TimeZone,
};

use crate::units::Timestamp;

/// Weekly recurring stretches, `"Sun 02:00-06:00 Europe/Berlin"`; open in any one of them is open.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Window {
    /// The stretches; at least one.
    pub recurrences: Vec<Recurrence>,
    /// The zone whose wall clock they are read on.
    pub zone: TimeZone,
}

/// One stretch: some days of the week, from a time to a later one of the same day, or past midnight.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recurrence {
    /// The days on which it opens.
    pub days: Vec<Weekday>,
    /// When it opens.
    pub from: Time,
    /// When it closes; at or before `from` means on the following day.
    pub to: Time,
}

impl Window {
    /// Whether the window is open.
    #[must_use]
    pub fn is_open(&self, now: Timestamp) -> bool {
        let local = self.zone.to_datetime(now.calendar());
        let (today, time) = (local.date().weekday(), local.time());
        self.recurrences.iter().any(|it| it.covers(today, time))
    }

    /// The next minute at which it is open, looked for over eight days; `None` if it never opens (a daylight
    /// saving gap can swallow one week's stretch, not every one's).
    #[must_use]
    pub fn next_opening(&self, now: Timestamp) -> Option<Timestamp> {
        const MINUTES: i64 = 8 * 24 * 60;
        let first: Instant = now.calendar();
        let minute = first.as_second().div_euclid(60) * 60;
        let start = Instant::from_second(minute).ok()?;
        (1..=MINUTES)
            .filter_map(|ahead| start.checked_add(ahead.minutes()).ok())
            .map(|at| Timestamp::from_micros(at.as_microsecond()))
            .find(|at| self.is_open(*at))
    }
}

impl Recurrence {
    fn covers(&self, today: Weekday, time: Time) -> bool {
        let opens = |day: Weekday| self.days.contains(&day);
        if self.from < self.to {
            return opens(today) && self.from <= time && time < self.to;
        }
        (opens(today) && self.from <= time) || (opens(today.previous()) && time < self.to)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn window(days: &[Weekday], from: i8, to: i8) -> Window {
        Window {
            recurrences: vec![Recurrence {
                days: days.to_vec(),
                from: Time::constant(from, 0, 0, 0),
                to: Time::constant(to, 0, 0, 0),
            }],
            zone: TimeZone::get("Europe/Berlin").expect("the zone data are bundled"),
        }
    }

    fn at(text: &str) -> Timestamp {
        let at: Instant = text.parse().expect("a valid time");
        Timestamp::from_micros(at.as_microsecond())
    }

    #[test]
    fn opens_and_closes_on_the_zones_wall_clock() {
        let sunday = window(&[Weekday::Sunday], 2, 6);
        let check = |time, expected| assert_eq!(sunday.is_open(at(time)), expected, "{time}");
        check("2026-11-22T00:59:59Z", false);
        check("2026-11-22T01:00:00Z", true);
        check("2026-11-22T04:59:59Z", true);
        check("2026-11-22T05:00:00Z", false);
        check("2026-11-23T02:00:00Z", false);
        // Summer time: the same local hours are an hour earlier in UTC.
        check("2026-07-05T00:00:00Z", true);
    }

    #[test]
    fn goes_past_midnight() {
        let night = window(&[Weekday::Saturday], 22, 4);
        assert!(night.is_open(at("2026-11-21T22:00:00Z")));
        assert!(night.is_open(at("2026-11-22T02:59:00Z")));
        assert!(!night.is_open(at("2026-11-22T03:00:00Z")));
        assert!(!night.is_open(at("2026-11-21T02:00:00Z")));
    }

    #[test]
    fn finds_its_next_opening() {
        let sunday = window(&[Weekday::Sunday], 2, 6);
        assert_eq!(
            sunday.next_opening(at("2026-11-22T12:34:56Z")),
            Some(at("2026-11-29T01:00:00Z"))
        );
    }
}

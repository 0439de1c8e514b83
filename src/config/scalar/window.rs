//! Weekly windows: `"Sun 02:00-06:00 Europe/Berlin"`, `"Mon-Fri 22:00-04:00 UTC"`.

use jiff::{
    civil::{Time, Weekday},
    tz::TimeZone,
};

use crate::{
    config::{fault::Complaint, nearest::did_you_mean, scalar::quoted},
    plan::{Recurrence, Window},
};

/// What a window looks like.
pub(in crate::config) const WINDOW: &str = "a window such as \"Sun 02:00-06:00 Europe/Berlin\"";

const DAYS: [(&str, Weekday); 7] = [
    ("Mon", Weekday::Monday),
    ("Tue", Weekday::Tuesday),
    ("Wed", Weekday::Wednesday),
    ("Thu", Weekday::Thursday),
    ("Fri", Weekday::Friday),
    ("Sat", Weekday::Saturday),
    ("Sun", Weekday::Sunday),
];

/// Reads days, a stretch of the day, and a time zone.
pub(in crate::config) fn window(text: &str) -> Result<Window, Complaint> {
    let parts: Vec<&str> = text.split_whitespace().collect();
    let [days, hours, zone] = parts.as_slice() else {
        return Err(Complaint::new(quoted(text), WINDOW));
    };
    let (from, to) = stretch(hours)?;
    let recurrence = Recurrence {
        days: weekdays(days)?,
        from,
        to,
    };
    Ok(Window {
        recurrences: vec![recurrence],
        zone: time_zone(zone)?,
    })
}

/// The window in the words that [`window`] reads, its stretches joined by "and".
pub(in crate::config) fn shown_window(window: &Window) -> String {
    let stretch = |it: &Recurrence| {
        let shown = |time: Time| format!("{:02}:{:02}", time.hour(), time.minute());
        let to = if it.to == Time::midnight() {
            String::from("24:00")
        } else {
            shown(it.to)
        };
        format!("{} {}-{to}", shown_days(&it.days), shown(it.from))
    };
    let stretches: Vec<String> = window.recurrences.iter().map(stretch).collect();
    let zone = window.zone.iana_name().unwrap_or("UTC");
    format!("{} {zone}", stretches.join(" and "))
}

/// Days as a range where they are three or more in a row.
fn shown_days(days: &[Weekday]) -> String {
    let name = |day: &Weekday| {
        DAYS.iter()
            .find(|(_, it)| it == day)
            .map_or("", |(name, _)| *name)
    };
    let in_a_row = days
        .windows(2)
        .all(|pair| pair.first().map(|it| it.next()) == pair.last().copied());
    match days {
        [first, _, .., last] if days.len() > 2 && in_a_row => {
            format!("{}-{}", name(first), name(last))
        }
        _ => days.iter().map(name).collect::<Vec<_>>().join(","),
    }
}

/// Whether two windows are read on the same wall clock.
pub(in crate::config) fn same_zone(one: &Window, other: &Window) -> bool {
    one.zone.iana_name() == other.zone.iana_name()
}

/// `"Sun"`, `"Sat,Sun"`, `"Mon-Fri"`, or a list of such; a range may go past Sunday.
fn weekdays(text: &str) -> Result<Vec<Weekday>, Complaint> {
    let mut days = Vec::new();
    for part in text.split(',') {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        let (mut day, last) = (weekday(first)?, weekday(last)?);
        loop {
            if !days.contains(&day) {
                days.push(day);
            }
            if day == last {
                break;
            }
            day = day.next();
        }
    }
    Ok(days)
}

fn weekday(text: &str) -> Result<Weekday, Complaint> {
    let found = DAYS.iter().find(|(name, _)| *name == text);
    found.map(|(_, day)| *day).ok_or_else(|| {
        let names = DAYS.map(|(name, _)| name);
        // "Sunday" means "Sun".
        let short = names.into_iter().find(|it| {
            let start = text.get(..3);
            start.is_some_and(|start| start.eq_ignore_ascii_case(it))
        });
        let near = short.map(|it| format!("did you mean {it:?}?"));
        let near = near.or_else(|| did_you_mean(text, names));
        Complaint::new(quoted(text), format!("one of {}", names.join(", "))).maybe(near)
    })
}

/// `"02:00-06:00"`; the end may be 24:00, or before the start: the next day.
fn stretch(text: &str) -> Result<(Time, Time), Complaint> {
    let wrong = || Complaint::new(quoted(text), "a stretch of the day such as \"02:00-06:00\"");
    let (from, to) = text.split_once('-').ok_or_else(wrong)?;
    let midnight = Time::midnight();
    let end = match to {
        "24:00" => Some(midnight),
        _ => time_of_day(to),
    };
    let (from, end) = time_of_day(from).zip(end).ok_or_else(wrong)?;
    if from == end && to != "24:00" {
        return Err(wrong().remedy("for the whole day write \"00:00-24:00\""));
    }
    Ok((from, end))
}

fn time_of_day(text: &str) -> Option<Time> {
    let (hour, minute) = text.split_once(':')?;
    let two = |it: &str| it.len() == 2 && it.bytes().all(|b| b.is_ascii_digit());
    if !two(hour) || !two(minute) {
        return None;
    }
    Time::new(hour.parse().ok()?, minute.parse().ok()?, 0, 0).ok()
}

fn time_zone(text: &str) -> Result<TimeZone, Complaint> {
    let known = TimeZone::get(text)
        .ok()
        .filter(|it| it.iana_name().is_some());
    known.ok_or_else(|| {
        let names: Vec<String> = jiff::tz::db()
            .available()
            .map(|it| it.to_string())
            .collect();
        let near = did_you_mean(text, names.iter().map(String::as_str));
        Complaint::new(quoted(text), "an IANA time zone such as \"Europe/Berlin\"").maybe(near)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_days_stretches_and_zones() {
        let read = window("Fri-Mon,Wed 22:00-04:00 Europe/Berlin").expect("a window");
        let recurrence = &read.recurrences[0];
        assert_eq!(
            recurrence.days,
            [
                Weekday::Friday,
                Weekday::Saturday,
                Weekday::Sunday,
                Weekday::Monday,
                Weekday::Wednesday
            ]
        );
        assert_eq!(recurrence.from, Time::constant(22, 0, 0, 0));
        assert_eq!(recurrence.to, Time::constant(4, 0, 0, 0));
        assert_eq!(read.zone.iana_name(), Some("Europe/Berlin"));
        assert!(window("Mon-Sun 00:00-24:00 UTC").is_ok());
    }

    #[test]
    fn shows_what_it_reads() {
        for text in [
            "Sun 02:00-06:00 Europe/Berlin",
            "Mon-Fri 22:00-04:00 UTC",
            "Sat,Sun 01:30-24:00 America/New_York",
            "Mon,Wed,Fri 01:00-02:00 UTC",
        ] {
            assert_eq!(shown_window(&window(text).expect(text)), text);
        }
    }

    #[test]
    fn refuses_what_is_no_window() {
        let check = |text, expected: &str| {
            let complaint = window(text).expect_err(text).to_string();
            assert!(complaint.contains(expected), "{text:?}: {complaint}");
        };
        check("Sun 02:00-06:00", "a window such as");
        check("Sunday 02:00-06:00 UTC", "did you mean \"Sun\"?");
        check("Snu 02:00-06:00 UTC", "did you mean \"Sun\"?");
        check("Sun 2:00-6:00 UTC", "a stretch of the day");
        check("Sun 02:00-25:00 UTC", "a stretch of the day");
        check("Sun 02:00-02:00 UTC", "00:00-24:00");
        check(
            "Sun 02:00-06:00 Europe/Berln",
            "did you mean \"Europe/Berlin\"?",
        );
        check("Süß 02:00-06:00 UTC", "one of Mon");
    }
}

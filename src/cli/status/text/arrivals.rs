//! What still arrives at the old address, and how quiet it is.

use crate::{
    cli::{
        figures::{count, span},
        page::Page,
    },
    control::{ArrivalsStatus, EstimateStatus, MinuteStatus, QuietStatus},
};

/// Heights of a bar, from nothing to the highest.
const BARS: [char; 9] = [' ', '▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];

/// A minute of which not everything was seen and that shows nothing.
const UNSEEN: char = '·';

/// How quiet it is since names have moved, and when it will be.
pub(crate) fn quiet(page: &mut Page, quiet: &QuietStatus) {
    let (needed, observed) = (span(quiet.needed_s), span(quiet.observed_s));
    let under = quiet.under;
    let state = match (quiet.satisfied, quiet.since) {
        (true, _) => format!("yes, for {observed}: nobody needs this proxy any more"),
        (false, Some(since)) => format!("for {observed} of {needed}, since {since}"),
        (false, None) => format!("not yet, and has to be for {needed}"),
    };
    page.line("  quiet", state);
    page.more(&format!(
        "{} requests a minute arrive here; quiet are fewer than {under}",
        per_minute(quiet.per_minute)
    ));
    if let Some(reached) = quiet.reached_at.filter(|_| !quiet.satisfied) {
        page.more(&format!("it was quiet for long enough at {reached}"));
    }
    if quiet.unobserved_s > 0.0 {
        page.more(&format!(
            "{} of that not observed",
            span(quiet.unobserved_s)
        ));
    }
    if let (Some(at), Some(by)) = (quiet.broken_at, &quiet.broken_by) {
        page.more(&format!("broken at {at}: {by}"));
    }
    if let Some(estimate) = &quiet.estimate {
        for line in foretold(estimate, under) {
            page.more(&line);
        }
    }
    if let Some(why) = &quiet.no_estimate {
        page.more(&format!("when it will be: {why}"));
    }
}

fn foretold(estimate: &EstimateStatus, under: u32) -> [String; 2] {
    let EstimateStatus {
        half_life_min,
        below_at,
        earliest,
        latest,
        quiet_at,
    } = estimate;
    [
        format!(
            "half of them are gone every {}; fewer than {under} a minute at about {below_at}, between {earliest} and {latest}",
            span(half_life_min * 60.0)
        ),
        format!("quiet for long enough at about {quiet_at}"),
    ]
}

/// The last hour: a bar for each minute, the last of them by listener, and who came most.
pub(crate) fn arrivals(page: &mut Page, arrivals: &ArrivalsStatus) {
    let Some(last) = arrivals.minutes.last() else {
        page.line("arriving", "counted from the next minute on");
        return;
    };
    let all: Vec<u64> = arrivals.minutes.iter().map(requests).collect();
    let most = all.iter().copied().max().unwrap_or_default();
    let minutes = arrivals.minutes.len();
    page.line(
        "arriving",
        format_args!(
            "requests within each of the last {minutes} min; {} at most",
            count(most)
        ),
    );
    let bars = arrivals.minutes.iter().zip(&all);
    let bars: String = bars.map(|(minute, it)| bar(minute, *it, most)).collect();
    page.row(format_args!("          {bars}▏"));
    page.row(format_args!(
        "{:<34}{:>14}{:>14}",
        "  within the last of them", "requests", "clients"
    ));
    let more = if last.more_clients { " or more" } else { "" };
    for (index, listener) in arrivals.listeners.iter().enumerate() {
        let of = |counts: &[u64]| count(counts.get(index).copied().unwrap_or_default());
        page.row(format_args!(
            "    {:<30}{:>14}{:>14}{more}",
            listener.to_string(),
            of(&last.requests),
            of(&last.clients)
        ));
    }
    if !arrivals.busiest.is_empty() {
        let busiest = arrivals.busiest.iter();
        let busiest: Vec<String> = busiest
            .map(|it| format!("{} ({})", it.address, count(it.requests)))
            .collect();
        page.line("  busiest", busiest.join(", "));
    }
}

fn requests(minute: &MinuteStatus) -> u64 {
    minute.requests.iter().sum()
}

/// Whatever arrived is seen, if little.
fn bar(minute: &MinuteStatus, requests: u64, most: u64) -> char {
    if requests == 0 {
        return if minute.whole { BARS[0] } else { UNSEEN };
    }
    let highest = BARS.len() as u64 - 1;
    let height = requests.saturating_mul(highest).div_ceil(most.max(1));
    BARS[usize::try_from(height.min(highest)).unwrap_or_default()]
}

/// A rate that may be below one.
fn per_minute(rate: f64) -> String {
    match rate < 10.0 && rate.fract() > 0.0 {
        true => format!("{rate:.1}"),
        false => {
            #[expect(
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                reason = "a rate is not negative, and one out of range is shown as the end of it"
            )]
            let whole = rate.round() as u64;
            count(whole)
        }
    }
}

//! What copies have shown, for people and programs: the answer of `GET /api/v1/shadow`.

use std::{collections::BTreeMap, fmt};

use serde::{Deserialize, Serialize};

use crate::units::{Side, Timestamp};

/// What copies have shown since a moment.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Report {
    /// Since when.
    pub since: Timestamp,
    /// When this was so.
    pub at: Timestamp,
    /// The share of requests answered by old of which a copy is sent.
    pub share: f64,
    /// The share of copies that go to old once more.
    pub noise: f64,
    /// Copies that were compared, by where they were sent.
    pub compared: Counts,
    /// Of these, those that differ anywhere.
    pub differing: Counts,
    /// Of those to new, those that differ at a place that was not known to be noise.
    pub unexplained: u64,
    /// What was drawn, or could have been, and was not compared.
    pub dropped: Dropped,
    /// Bodies that were not compared, by the reason.
    pub unread: BTreeMap<String, u64>,
    /// What `max_difference` waits for; absent where the plan has none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gate: Option<GateReport>,
    /// Routes of which a copy was compared.
    pub routes: Vec<RouteReport>,
    /// Places at which answers differ: differences first, then what is open, then noise.
    pub differences: Vec<DifferenceReport>,
    /// Differences at places beyond those that are kept count of.
    pub others: u64,
}

/// A number for copies to each side.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counts {
    /// To old.
    pub old: u64,
    /// To new.
    pub new: u64,
}

/// Requests of which no copy was compared.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Dropped {
    /// As many copies as there may be were under way.
    pub busy: u64,
    /// The request's body was longer than what is kept.
    pub too_long: u64,
    /// Old's answer did not come to its end within what a copy may take, came before the request's, or was not old's in the end.
    pub incomplete: u64,
}

impl Dropped {
    /// What was dropped after it was `before`.
    #[must_use]
    pub const fn since(self, before: Self) -> Self {
        Self {
            busy: self.busy.saturating_sub(before.busy),
            too_long: self.too_long.saturating_sub(before.too_long),
            incomplete: self.incomplete.saturating_sub(before.incomplete),
        }
    }
}

/// What `max_difference` waits for.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct GateReport {
    /// The share of copies to new that may differ beyond noise.
    pub max_difference: f64,
    /// Whether it is shown that no more do.
    pub is_given: bool,
    /// How many more copies without a difference would show it.
    pub copies_left: u64,
}

/// A route of which copies were compared.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RouteReport {
    /// Its name.
    pub name: String,
    /// Copies that were compared.
    pub compared: Counts,
    /// Of these, those that differ anywhere.
    pub differing: Counts,
    /// The median latency of the last copies, in ms.
    pub p50_ms: LatencyReport,
    /// What 95 of 100 of them stayed within, in ms.
    pub p95_ms: LatencyReport,
}

/// A latency of copies to each side, in ms.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct LatencyReport {
    /// Of copies to old; null where there were none.
    pub old: Option<f64>,
    /// Of copies to new; null where there were none.
    pub new: Option<f64>,
}

/// What is known of a place at which answers differ.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// Copies to new differ there more often than copies to old do.
    Difference,
    /// Only copies to new differ there so far, and too few to say.
    Open,
    /// Copies to old differ there as well.
    Noise,
}

/// A place at which answers differ.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct DifferenceReport {
    /// The route's name.
    pub route: String,
    /// The place, such as `status`, `header location`, `json /items/*/price` or `latency`.
    pub place: String,
    /// What is known of it.
    pub verdict: Verdict,
    /// Copies to old that differ there.
    pub old: u64,
    /// Of so many on this route.
    pub of_old: u64,
    /// Copies to new that differ there.
    pub new: u64,
    /// Of so many on this route.
    pub of_new: u64,
    /// The logarithm of the evidence that new differs more often.
    pub ln_evidence: f64,
    /// What it has to reach.
    pub ln_threshold: f64,
    /// Some of what was seen, copies to new first.
    pub samples: Vec<Sample>,
}

/// What was seen once; masked unless the plan shows it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sample {
    /// Method and target.
    pub request: String,
    /// Where the copy was sent.
    pub to: Side,
    /// What old answered to the client.
    pub old: String,
    /// What the copy was answered.
    pub copy: String,
}

impl fmt::Display for DifferenceReport {
    /// A sentence: what differs where, and how often.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            route,
            place,
            old,
            of_old,
            new,
            of_new,
            ..
        } = self;
        let of_old_too = match (*old, *of_old) {
            (_, 0) => "with no copy to old to compare with".to_owned(),
            (0, all) => format!("in none of {all} to old"),
            (count, all) => format!("in {count} of {all} to old"),
        };
        write!(
            f,
            "{route}: {place} differs in {new} of {of_new} copies to new, and {of_old_too}"
        )
    }
}

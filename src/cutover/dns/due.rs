//! What keeps names from moving, and what is due by itself.

use std::fmt;

use crate::{
    cutover::{
        DnsPurpose, DnsStanding, Leads, Names, Ramp, State, WayBack, Wish, dns::ttl_stretch,
        wait::Span,
    },
    plan::{
        Plan,
        dns::{DnsMoves, DnsPlan},
    },
};

/// One thing that keeps names from moving.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DnsWait {
    /// The shift is not complete.
    Shift(&'static str),
    /// An order before is not done.
    Order(DnsPurpose),
    /// TTLs were not lowered.
    NotLowered,
    /// The TTL before has not run out.
    Ttl(String),
}

impl fmt::Display for DnsWait {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Shift(state) => write!(
                f,
                "the shift: the ramp is {state}, and names move once it is complete"
            ),
            Self::Order(purpose) => {
                write!(
                    f,
                    "the order before, {purpose}, which not every server says yet"
                )
            }
            Self::NotLowered => {
                f.write_str("the TTL: lower it first with `changeover dns lower-ttl`")
            }
            Self::Ttl(what) => write!(f, "the TTL before: {what}"),
        }
    }
}

/// Everything that keeps names from moving.
#[must_use]
pub fn waits(plan: &DnsPlan, state: &State) -> Vec<DnsWait> {
    let mut found = Vec::new();
    let position = &state.position;
    if !matches!(position.ramp, Ramp::Complete { .. }) {
        found.push(DnsWait::Shift(position.ramp.name()));
    }
    let names = position.names.as_ref();
    if let Some(names) = names.filter(|it| it.is_under_way()) {
        found.push(DnsWait::Order(names.order.purpose));
    }
    let has_steps = names.is_some_and(|it| !it.order.then.is_empty());
    let is_low = match names.and_then(|it| it.lowered.as_ref()) {
        Some(lowered) => lowered.ttl <= plan.ttl || has_steps,
        // It may have been as low all along.
        None => ttl_stretch(state).is_some_and(|it| it.since.is_some()),
    };
    let runs = state.ttl_runs(plan);
    match (is_low, has_steps, runs) {
        (false, _, _) => found.push(DnsWait::NotLowered),
        (true, _, Some(runs)) => found.push(DnsWait::Ttl(runs)),
        (true, true, None) => found.push(DnsWait::Ttl("the next step is ordered now".to_owned())),
        (true, false, None) => (),
    }
    found
}

/// What is due now without anybody's asking.
#[must_use]
pub fn due(plan: &Plan, state: &State) -> Option<Wish> {
    let dns = plan.dns.as_ref()?;
    let position = &state.position;
    let names = position.names.as_ref();
    if let (Ramp::RolledBack { .. }, Some(names)) = (&position.ramp, names) {
        let is_back = names.order.purpose == DnsPurpose::Revert;
        return (names.leads == Leads::To && !is_back).then_some(Wish::Revert);
    }
    if let Some(names) = names
        && !names.order.then.is_empty()
        && matches!(names.standing, DnsStanding::Served { .. })
        && state.ttl_runs(dns).is_none()
    {
        return Some(Wish::LowerTtl(names.order.then.clone()));
    }
    let Ramp::Complete { way_back, .. } = position.ramp else {
        return None;
    };
    let is_time = match dns.moves {
        DnsMoves::Manually => false,
        DnsMoves::WhenComplete => true,
        DnsMoves::AfterWindow => way_back == WayBack::Closed,
    };
    // What was moved, led back or stopped is not moved again by itself.
    let was_tried = |it: &Names| it.moved.is_some();
    (is_time && !names.is_some_and(was_tried) && waits(dns, state).is_empty()).then_some(Wish::Move)
}

impl State {
    /// How much of the time is left that the lowered TTL has to be given out; `None` once it has been.
    fn ttl_runs(&self, plan: &DnsPlan) -> Option<String> {
        let names = self.position.names.as_ref();
        let lowered = names.and_then(|it| it.lowered.as_ref());
        let wait = lowered.map_or_else(|| plan.ttl.duration(), |it| it.wait);
        let needed = Span(wait);
        let Some(stretch) = ttl_stretch(self) else {
            return Some(format!(
                "{needed} to be observed, and nobody has looked yet"
            ));
        };
        if stretch.is_satisfied(wait) {
            return None;
        }
        Some(match (stretch.since, &stretch.broken) {
            (Some(_), _) => {
                let left = wait.saturating_sub(stretch.observed);
                format!("{} of {needed} to go", Span(left))
            }
            (None, Some(broken)) => format!("{needed} to go since {}", broken.by),
            (None, None) => format!("{needed} to go once every server says the lowered one"),
        })
    }
}

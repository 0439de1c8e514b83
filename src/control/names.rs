//! What the status says of names in DNS.

use crate::{
    control::{
        DnsOrderStatus, DnsStatus, LoweredStatus, ResolverStatus, ServerStatus, arrivals,
        describe::Scene,
    },
    cutover::{
        DnsPurpose, DnsStanding, Leads, Lowered, Names, Wish, dns_due, dns_waits, ttl_stretch,
    },
    plan::dns::{DnsPlan, RecordSet},
    units::Timestamp,
};

/// Where names stand; `None` where the plan has none.
pub(super) fn dns(scene: &Scene<'_>) -> Option<DnsStatus> {
    let plan = scene.plan().dns.as_ref()?;
    let names = scene.state.position.names.as_ref();
    let (servers, unknown) = servers(scene);
    Some(DnsStatus {
        leads: names.map_or(Leads::From, |it| it.leads),
        order: names.map(order),
        progress: scene.observer.zone_board.progress(),
        names: names.cloned(),
        is_recorded: scene.state.is_recorded(),
        due: dns_due(scene.plan(), scene.state).map(|it: Wish| it.purpose()),
        ttl: names
            .and_then(|it| it.lowered.as_ref())
            .map(|it| lowered(scene, it)),
        waits: waits(scene, plan, names),
        servers,
        unknown,
        resolvers: resolvers(scene),
        arrivals: arrivals::arrivals(scene),
        quiet: arrivals::quiet(scene, plan, names),
    })
}

fn waits(scene: &Scene<'_>, plan: &DnsPlan, names: Option<&Names>) -> Vec<String> {
    match names.is_some_and(|it| it.leads == Leads::To) {
        true => Vec::new(),
        false => {
            let waits = dns_waits(plan, scene.state);
            waits.iter().map(ToString::to_string).collect()
        }
    }
}

fn order(names: &Names) -> DnsOrderStatus {
    let (state, why, served_at) = match &names.standing {
        DnsStanding::Ordered => ("ordered", None, None),
        DnsStanding::Served { at } => ("served", None, Some(*at)),
        DnsStanding::Stopped { why } => ("stopped", Some(why.clone()), None),
    };
    DnsOrderStatus {
        purpose: names.order.purpose,
        change: names.order.change.clone(),
        then: names.order.then.clone(),
        at: names.at,
        actor: names.actor.to_string(),
        state: state.to_owned(),
        why,
        served_at,
        stale_until: served_at.and_then(|at| stale_until(names, at)),
    }
}

/// Until when resolvers that keep to TTLs may still say what was before a move, or before its revert.
fn stale_until(names: &Names, served_at: Timestamp) -> Option<Timestamp> {
    let longest = |sets: &[RecordSet]| sets.iter().map(|it| it.ttl).max();
    match names.order.purpose {
        DnsPurpose::Move | DnsPurpose::Revert => {
            let ttl = longest(names.order.change.before())?;
            Some(served_at.after(ttl.duration()))
        }
        DnsPurpose::LowerTtl | DnsPurpose::RestoreTtl => None,
    }
}

fn lowered(scene: &Scene<'_>, lowered: &Lowered) -> LoweredStatus {
    let stretch = ttl_stretch(scene.state).cloned().unwrap_or_default();
    let left = lowered.wait.saturating_sub(stretch.observed);
    let is_satisfied = stretch.is_satisfied(lowered.wait);
    let runs = stretch.since.is_some() && !is_satisfied;
    LoweredStatus {
        ttl: lowered.ttl,
        needed_s: lowered.wait.as_secs_f64(),
        observed_s: stretch.observed.as_secs_f64(),
        unobserved_s: stretch.unobserved.as_secs_f64(),
        gaps: stretch.gaps,
        since: stretch.since,
        satisfied: is_satisfied,
        earliest: runs.then(|| scene.at.after(left)),
        broken_at: stretch.broken.as_ref().map(|it| it.at),
        broken_by: stretch.broken.map(|it| it.by),
    }
}

fn servers(scene: &Scene<'_>) -> (Vec<ServerStatus>, Option<String>) {
    let look = match &scene.observer.zone {
        Ok(look) => look,
        Err(why) => return (Vec::new(), Some(why.clone())),
    };
    let servers = look.servers.iter().map(|it| ServerStatus {
        name: it.name.clone(),
        address: it.address,
        says: it.sets.clone().unwrap_or_default(),
        fault: it.sets.clone().err(),
    });
    (servers.collect(), look.fault.clone())
}

fn resolvers(scene: &Scene<'_>) -> Vec<ResolverStatus> {
    let looks = scene.observer.zone_board.resolvers();
    let statuses = looks.iter().map(|it| ResolverStatus {
        address: it.address,
        says: it.sets.clone().unwrap_or_default(),
        fault: it.sets.clone().err(),
    });
    statuses.collect()
}

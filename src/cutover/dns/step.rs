//! An order is given, or given up.

use serde::{Deserialize, Serialize};

use crate::{
    cutover::{
        Actor, Answer, Change, DnsOrder, DnsPurpose, DnsStanding, Leads, Ramp, Refusal, WayBack,
        database::line,
        dns::{ttl_stretch, waits},
        reload,
        transition::{Draft, Transition},
    },
    measure::ZoneLook,
    plan::dns::{DnsPlan, RecordSet},
};

/// Something about names.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DnsStep {
    /// What.
    pub event: DnsEvent,
    /// Who; the plan itself where it was due.
    pub actor: Actor,
    /// Why, in words.
    pub reason: String,
}

/// What happens to names.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum DnsEvent {
    /// A change is ordered.
    Ordered(Box<DnsOrder>),
    /// The last order is given up, and nothing of it was done.
    Stopped(DnsPurpose),
}

/// Takes it in, or refuses it.
pub(in crate::cutover) fn step(transition: &mut Transition<'_>, step: &DnsStep) {
    transition.evaluate();
    let taken = match &step.event {
        DnsEvent::Ordered(order) => ordered(transition, order, step),
        DnsEvent::Stopped(purpose) => stopped(transition, *purpose, step),
    };
    transition.answer(taken.unwrap_or_else(Answer::Refused));
}

fn ordered(
    transition: &mut Transition<'_>,
    order: &DnsOrder,
    step: &DnsStep,
) -> Result<Answer, Refusal> {
    let Some(plan) = &transition.plan.dns else {
        return Err(Refusal::Held(
            "the configuration, which has no [dns]".to_owned(),
        ));
    };
    let mut order = order.clone();
    // The way back waits for no journal.
    if order.purpose != DnsPurpose::Revert
        && let Some(refusal) = reload::hindrance(transition)
    {
        return Err(refusal);
    }
    allow(transition, plan, &order)?;
    order.is_proven = order.purpose == DnsPurpose::LowerTtl && is_ttl_proven(transition);
    let draft = Draft {
        change: Change::DnsOrdered {
            order: Box::new(order),
        },
        weight: transition.state.position.weight,
        actor: step.actor.clone(),
        reason: line(&step.reason),
        explanation: None,
    };
    // Nothing is changed by an order but what is carried out once it is recorded.
    Ok(Answer::InForce(transition.put_in_force(draft, None)))
}

/// Whether it may be ordered now.
fn allow(transition: &Transition<'_>, plan: &DnsPlan, order: &DnsOrder) -> Result<(), Refusal> {
    let names = transition.state.position.names.as_ref();
    let held = |what: String| Err(Refusal::Held(what));
    match order.purpose {
        DnsPurpose::Revert => {
            return match names {
                Some(names) if names.leads == Leads::To => Ok(()),
                Some(_) | None => {
                    held("nothing: names lead where they did before the move".to_owned())
                }
            };
        }
        DnsPurpose::Move => {
            if names.is_some_and(|it| it.leads == Leads::To) {
                return held("nothing: names have moved already".to_owned());
            }
            if let Some(wait) = waits(plan, &transition.state).first() {
                return held(wait.to_string());
            }
        }
        DnsPurpose::LowerTtl => {
            if names.is_some_and(|it| it.is_under_way() && it.order.purpose != DnsPurpose::LowerTtl)
            {
                return held("the order before, which not every server says yet".to_owned());
            }
        }
        DnsPurpose::RestoreTtl => {
            let is_open = !matches!(
                transition.state.position.ramp,
                Ramp::Complete {
                    way_back: WayBack::Closed,
                    ..
                }
            );
            if is_open && names.is_some_and(|it| it.leads == Leads::To) {
                return held(
                    "the way back, which is open: a revert needs the lowered TTL".to_owned(),
                );
            }
        }
    }
    match ZoneLook::said(transition.observation.zone) {
        Ok(said) if RecordSet::are_same(said, order.change.before()) => Ok(()),
        Ok(_) => held("the zone's servers, which say something else than a moment ago".to_owned()),
        Err(why) => held(format!("the zone's servers: {why}")),
    }
}

fn is_ttl_proven(transition: &Transition<'_>) -> bool {
    let state = &transition.state;
    let lowered = state
        .position
        .names
        .as_ref()
        .and_then(|it| it.lowered.as_ref());
    matches!((lowered, ttl_stretch(state)), (Some(lowered), Some(it)) if it.is_satisfied(lowered.wait))
}

fn stopped(
    transition: &mut Transition<'_>,
    purpose: DnsPurpose,
    step: &DnsStep,
) -> Result<Answer, Refusal> {
    // What is being recorded would say where the ramp is, and this entry does not.
    if transition.state.watch.pending.is_some() {
        return Err(Refusal::Held(
            "the change before, which is being recorded: try again in a moment".to_owned(),
        ));
    }
    let names = transition.state.position.names.as_ref();
    let is_last = names.is_some_and(|it| {
        it.order.purpose == purpose && matches!(it.standing, DnsStanding::Ordered)
    });
    if !is_last {
        return Err(Refusal::Held(
            "nothing: another order came after it".to_owned(),
        ));
    }
    let why = line(&step.reason);
    transition.page(format!("dns {purpose} stopped: {why}"));
    let draft = Draft {
        change: Change::DnsStopped { purpose },
        weight: transition.state.position.weight,
        actor: step.actor.clone(),
        reason: why,
        explanation: None,
    };
    Ok(Answer::InForce(transition.put_in_force(draft, None)))
}

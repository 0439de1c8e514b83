//! Orders about names that somebody asks for: works out the change, tries it, and has it written down.

use std::sync::Arc;

use crate::{
    admin::{DnsAnswer, DnsError, DnsReply, DnsRequest, DnsWay},
    app::{
        Running,
        names::{both_versions, give},
    },
    clock::Clock,
    control::ControlHandle,
    cutover::{Actor, DnsPurpose, Wish, prepare_dns},
    dns::provider::{Provider, ProviderError, Validation},
    measure::{ZoneBoard, ZoneLook},
    plan::{
        DnsPlan, Plan,
        dns::{Change, Ttl},
    },
    units::Timestamp,
};

/// TTLs at which a way by steps stops, in seconds: what is wrong with a step lasts no longer than it.
const STEPS: [Ttl; 2] = [Ttl(3600), Ttl(300)];

/// Answers for an order without keeping others waiting.
pub(super) fn order(running: &Running, request: DnsRequest, actor: Actor, reply: DnsReply) {
    let desk = Desk::of(running);
    tokio::spawn(async move {
        let answer = desk.order(request, actor).await;
        if let Err(why) = &answer {
            tracing::warn!(%why, "an order about names was not given");
        }
        // Whoever asked may have gone.
        drop(reply.send(answer));
    });
}

impl Running {
    /// Orders something about names, or shows it only, just as for who asks by the admin API.
    ///
    /// # Errors
    /// Why nothing is ordered.
    pub async fn order(&self, request: DnsRequest, actor: Actor) -> Result<DnsAnswer, DnsError> {
        Desk::of(self).order(request, actor).await
    }
}

struct Desk {
    plan: Arc<Plan>,
    control: ControlHandle,
    zone: Arc<ZoneBoard>,
    clock: Clock,
}

impl Desk {
    fn of(running: &Running) -> Self {
        Self {
            plan: Arc::clone(running.edition.load().plan()),
            control: running.control.clone(),
            zone: Arc::clone(&running.zone),
            clock: running.clock,
        }
    }

    async fn order(&self, request: DnsRequest, actor: Actor) -> Result<DnsAnswer, DnsError> {
        let Some(plan) = &self.plan.dns else {
            let text = "the configuration has no [dns]: there are no names to move";
            return Err(DnsError::Unknown(text.to_owned()));
        };
        let refused = DnsError::Refused;
        let status = self.control.status();
        let names = status.dns.as_ref().and_then(|it| it.names.as_ref());
        let look = self.zone.view(self.clock.timestamp());
        let served = look.as_ref().ok().and_then(|it| it.ttl_max().ok());
        let wish = wish(plan, &request, served);
        let order = prepare_dns(plan, names, ZoneLook::said(&look), &wish).map_err(refused)?;
        let provider = Provider::new(&plan.provider);
        let tried = match request.purpose {
            // The way back is not held up by a trial.
            DnsPurpose::Revert => Vec::new(),
            purpose => attempt(&provider, purpose, &order.change)
                .await
                .map_err(refused)?,
        };
        let mut answer = DnsAnswer {
            purpose: request.purpose,
            ordered: false,
            recorded: false,
            change: order.change.clone(),
            then: order.then.clone(),
            tried,
            ways: match request.purpose {
                DnsPurpose::LowerTtl => ways(plan, &request, served, self.clock.timestamp()),
                DnsPurpose::Move | DnsPurpose::Revert | DnsPurpose::RestoreTtl => Vec::new(),
            },
        };
        if let Some(reason) = request.reason {
            answer.recorded = give(&self.control, order, actor, &reason)
                .await
                .map_err(refused)?;
            answer.ordered = true;
        }
        Ok(answer)
    }
}

fn wish(plan: &DnsPlan, request: &DnsRequest, served: Option<Ttl>) -> Wish {
    match request.purpose {
        DnsPurpose::LowerTtl => {
            let to = request.to.unwrap_or(plan.ttl);
            Wish::LowerTtl(match request.by_steps {
                true => steps(served, to),
                false => vec![to],
            })
        }
        DnsPurpose::Move => Wish::Move,
        DnsPurpose::Revert => Wish::Revert,
        DnsPurpose::RestoreTtl => Wish::RestoreTtl,
    }
}

/// Down from what is served, never by less than nothing.
fn steps(served: Option<Ttl>, to: Ttl) -> Vec<Ttl> {
    let between = STEPS.into_iter().filter(|it| {
        let is_below = served.is_none_or(|served| *it < served);
        is_below && *it > to
    });
    between.chain([to]).collect()
}

/// The straight way and the one by steps, where they differ.
fn ways(plan: &DnsPlan, request: &DnsRequest, served: Option<Ttl>, now: Timestamp) -> Vec<DnsWay> {
    let Some(served) = served else {
        return Vec::new();
    };
    let to = request.to.unwrap_or(plan.ttl);
    let mut found = vec![vec![to]];
    let stepped = steps(Some(served), to);
    if stepped.len() > 1 {
        found.push(stepped);
    }
    let way = |ttls: Vec<Ttl>| {
        // Each TTL has to run out that was given out before the one after it.
        let before = [served].into_iter().chain(ttls.iter().copied());
        let waits = before.take(ttls.len());
        let takes_s = waits.map(|it| it.duration().as_secs()).sum();
        DnsWay {
            takes_s,
            earliest: now.after(std::time::Duration::from_secs(takes_s)),
            ttls,
        }
    };
    found.into_iter().map(way).collect()
}

/// Has the provider try the change, and before a move the way back, without changing anything.
async fn attempt(
    provider: &Provider,
    purpose: DnsPurpose,
    change: &Change,
) -> Result<Vec<String>, String> {
    let mut tried = Vec::new();
    match provider.validate(change).await {
        Ok(Validation::Held) => tried.push("the provider would make this change now".to_owned()),
        Ok(Validation::NotOffered) => {
            tried.push("the provider has no way to try a change".to_owned());
        }
        Err(error) => {
            return Err(format!(
                "the change was tried first: {}",
                both_versions(&error)
            ));
        }
    }
    if purpose == DnsPurpose::Move {
        tried.push(match provider.validate(&change.reversed()).await {
            // That the zone does not hold the move yet is the one thing that may be wrong with it.
            Ok(Validation::Held) | Err(ProviderError::Conflict { .. }) => {
                "the provider takes the way back, once names have moved".to_owned()
            }
            Ok(Validation::NotOffered) => "nor the way back".to_owned(),
            Err(error) => return Err(format!("the way back was tried first: {error}")),
        });
    }
    Ok(tried)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_lie_between_what_is_served_and_what_is_aimed_at() {
        let check = |served, to, expected: &[u32]| {
            let found = steps(Some(Ttl(served)), Ttl(to));
            let found: Vec<u32> = found.iter().map(|it| it.0).collect();
            assert_eq!(found, expected, "{served} to {to}");
        };
        check(86_400, 60, &[3600, 300, 60]);
        check(3600, 60, &[300, 60]);
        check(300, 60, &[60]);
        check(86_400, 300, &[3600, 300]);
    }
}

//! Names in DNS: watches the zone's servers, and carries out what was ordered.
//!
//! The order comes from the journal by way of the status, so that a restart goes on with it. Providers compare before they
//! change, and say "done" where the change is there already: an order is tried again without harm after a crash, or after
//! an answer that did not come. That it is done everywhere is seen by the watch, never assumed.

use std::{collections::BTreeSet, convert::Infallible, sync::Arc, time::Duration};

use hickory_resolver::proto::rr::Name;
use tokio::time::{Instant, MissedTickBehavior, interval};

use crate::{
    clock::Clock,
    control::{CommandError, ControlHandle, DnsStatus},
    cutover::{
        Actor, DnsEvent, DnsOrder, DnsPurpose, DnsStanding, DnsStep, Names, Wish, prepare_dns,
    },
    dns::{
        look::{Authorities, ServerView, Unanswered, ask, ask_resolvers, servers},
        provider::{Applied, Provider, ProviderError},
    },
    measure::{ResolverLook, ServerLook, ZoneBoard, ZoneLook},
    plan::dns::{DnsPlan, Kind, RecordSet},
    units::Timestamp,
};

/// From one look at the servers to the next.
const LOOK: Duration = Duration::from_secs(1);
/// The same for resolvers, which are other people's.
const LOOK_AT_RESOLVERS: Duration = Duration::from_secs(5);
/// From one walk to the zone's servers to the next; which servers a zone has changes rarely.
const WALK: Duration = Duration::from_secs(60);
/// The same while none was found.
const WALK_AGAIN: Duration = Duration::from_secs(5);
/// From one look at what was ordered to the next.
const ACT: Duration = Duration::from_millis(100);
/// Until an order is tried again whose outcome is not known, at first and at most.
const RETRY: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(30));
/// Until somebody is asked again who has a change under way.
const PENDING: Duration = Duration::from_secs(10);
/// A status that is older is of a loop that does not lead any more.
const LEADS_WITHIN: Duration = Duration::from_secs(2);

/// Watches and acts for as long as it is polled.
pub(super) async fn run(
    plan: DnsPlan,
    board: Arc<ZoneBoard>,
    control: ControlHandle,
    clock: Clock,
) -> Infallible {
    board.clear();
    let mover = Mover {
        provider: Provider::new(&plan.provider),
        plan: &plan,
        board: &board,
        control,
        clock,
        begun: None,
        has_complained: false,
    };
    tokio::select! {
        never = watch(&plan, &board, clock) => never,
        never = watch_resolvers(&plan, &board) => never,
        never = mover.run() => never,
    }
}

/// Everything that may be served of the names that move.
fn subjects(plan: &DnsPlan) -> Vec<(Name, Kind)> {
    let names = plan.names.iter().map(|it| &it.name);
    let subjects = names.flat_map(|name| Kind::ALL.map(|kind| (name.clone(), kind)));
    subjects.collect()
}

/// Asks the resolvers of the plan: what they say shows when clients will know, and decides nothing.
async fn watch_resolvers(plan: &DnsPlan, board: &ZoneBoard) -> ! {
    let subjects = subjects(plan);
    let mut ticks = interval(LOOK_AT_RESOLVERS);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        let views = ask_resolvers(&subjects, &plan.look).await;
        let looks = views.into_iter().map(|view| ResolverLook {
            address: view.address,
            sets: view.sets.map_err(|why| why.to_string()),
        });
        board.put_resolvers(looks.collect());
    }
}

/// Asks every server, once a second.
async fn watch(plan: &DnsPlan, board: &ZoneBoard, clock: Clock) -> ! {
    let subjects = subjects(plan);
    let mut found: Option<Authorities> = None;
    let mut walk_at = Instant::now();
    let mut ticks = interval(LOOK);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        let mut fault = None;
        if Instant::now() >= walk_at {
            match servers(&plan.zone, &plan.look).await {
                Ok(authorities) => {
                    found = Some(authorities);
                    walk_at = Instant::now() + WALK;
                }
                Err(error) => {
                    walk_at = Instant::now() + WALK_AGAIN;
                    fault = Some(format!(
                        "the servers of {} were not found: {error}",
                        plan.zone
                    ));
                }
            }
        }
        let servers = match &found {
            Some(authorities) => ask(authorities, &subjects, &plan.look).await,
            None => Vec::new(),
        };
        // Servers that are known are asked although a walk has failed since.
        let fault = match servers.is_empty() {
            true => Some(fault.unwrap_or_else(|| "no server of the zone is known".to_owned())),
            // Servers that are out of sight, behind the same addresses, may say something else.
            false => board.spreading(),
        };
        board.put(ZoneLook {
            at: clock.timestamp(),
            servers: seen(servers),
            fault,
        });
    }
}

fn seen(views: Vec<ServerView>) -> Vec<ServerLook> {
    let answered = views.iter().filter(|it| it.answers.is_ok());
    let answered: BTreeSet<Name> = answered.map(|it| it.server.name.clone()).collect();
    let one = |view: ServerView| {
        let has_no_way = matches!(view.answers, Err(Unanswered::NoRoute));
        let is_spoken_for = has_no_way && answered.contains(&view.server.name);
        one_seen(view, is_spoken_for)
    };
    views.into_iter().map(one).collect()
}

fn one_seen(view: ServerView, is_spoken_for: bool) -> ServerLook {
    let sorted = |mut sets: Vec<RecordSet>| {
        sets.sort_by(|one, other| (&one.name, one.kind).cmp(&(&other.name, other.kind)));
        sets
    };
    ServerLook {
        name: view.server.name.to_ascii(),
        address: view.server.address,
        sets: match view.answers {
            Ok(answers) => Ok(sorted(answers.sets)),
            Err(why) => Err(why.to_string()),
        },
        is_spoken_for,
    }
}

/// Carries orders out.
struct Mover<'p> {
    plan: &'p DnsPlan,
    provider: Provider,
    board: &'p ZoneBoard,
    control: ControlHandle,
    clock: Clock,
    /// How far the order of this moment has come.
    begun: Option<Begun>,
    /// Whether it says that what is due cannot be ordered.
    has_complained: bool,
}

/// An order that this process has begun with.
struct Begun {
    at: Timestamp,
    /// When it is tried next; `None` once the provider has made it.
    next: Option<Instant>,
    pause: Duration,
}

impl Mover<'_> {
    async fn run(mut self) -> ! {
        let mut ticks = interval(ACT);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            let status = self.control.status();
            let leads = self.clock.timestamp().since(status.at) <= LEADS_WITHIN;
            if let Some(status) = status.dns.as_ref().filter(|_| leads) {
                self.act(status).await;
            }
        }
    }

    async fn act(&mut self, status: &DnsStatus) {
        if let Some(purpose) = status.due {
            return self.order(purpose, status.names.as_ref()).await;
        }
        if std::mem::take(&mut self.has_complained) {
            self.board.say(None);
        }
        let Some(names) = &status.names else {
            return;
        };
        match names.standing {
            DnsStanding::Ordered => (),
            DnsStanding::Served { .. } | DnsStanding::Stopped { .. } => {
                if self.begun.take().is_some() {
                    self.board.say(None);
                    self.board.spread(None);
                }
                return;
            }
        }
        // The way back waits for no journal.
        if status.is_recorded || names.order.purpose == DnsPurpose::Revert {
            self.carry_out(names).await;
        }
    }

    /// Orders what is due by itself.
    async fn order(&mut self, purpose: DnsPurpose, names: Option<&Names>) {
        let wish = match purpose {
            DnsPurpose::LowerTtl => {
                Wish::LowerTtl(names.map(|it| it.order.then.clone()).unwrap_or_default())
            }
            DnsPurpose::Move => Wish::Move,
            DnsPurpose::Revert => Wish::Revert,
            DnsPurpose::RestoreTtl => Wish::RestoreTtl,
        };
        let reason = match purpose {
            DnsPurpose::LowerTtl => "the TTL before has run out everywhere",
            DnsPurpose::Move => "the shift is complete, and the plan moves names then",
            DnsPurpose::Revert => "everything went back to old, and names follow",
            DnsPurpose::RestoreTtl => "the plan restores TTLs",
        };
        let look = self.board.view(self.clock.timestamp());
        let ordered = match prepare_dns(self.plan, names, ZoneLook::said(&look), &wish) {
            Ok(order) => give(&self.control, order, Actor::Plan, reason).await,
            Err(why) => Err(why),
        };
        if let Err(why) = ordered {
            let text = format!("{purpose} is due and cannot be ordered: {why}");
            if self.board.progress().as_ref() != Some(&text) {
                tracing::warn!(%purpose, why, "an order about names is due and cannot be given");
                self.board.say(Some(text));
            }
            self.has_complained = true;
        }
    }

    async fn carry_out(&mut self, names: &Names) {
        let now = Instant::now();
        let begun = self.begun.take().filter(|it| it.at == names.at);
        let mut begun = begun.unwrap_or(Begun {
            at: names.at,
            next: Some(now),
            pause: RETRY.0,
        });
        if begun.next.is_some_and(|at| at <= now) {
            let applied = self.provider.apply(&names.order.change).await;
            self.take_in(&mut begun, names.order.purpose, applied).await;
        }
        self.begun = Some(begun);
    }

    async fn take_in(
        &self,
        begun: &mut Begun,
        purpose: DnsPurpose,
        applied: Result<Applied, ProviderError>,
    ) {
        let mut again = |after: Duration, why: String| {
            begun.next = Some(Instant::now() + after);
            self.board.say(Some(why));
        };
        let error = match applied {
            Ok(Applied::Done) => {
                begun.next = None;
                self.board.spread(None);
                tracing::info!(%purpose, "the provider has made the change");
                let text = "the provider has made the change; not every server says so yet";
                return self.board.say(Some(text.to_owned()));
            }
            Ok(Applied::Pending { until }) => return again(PENDING, until),
            Ok(Applied::Spreading { until }) => {
                self.board.spread(Some(until.clone()));
                let pause = begun.pause;
                begun.pause = (pause * 2).min(PENDING);
                return again(pause, until);
            }
            Err(error) => error,
        };
        tracing::warn!(%purpose, %error, "the change was not made");
        // The way back is tried for as long as it takes, but never over somebody else's change.
        let is_tried_again = match &error {
            ProviderError::RateLimited { .. } | ProviderError::Unknown { .. } => true,
            ProviderError::Conflict { .. } => false,
            ProviderError::Refused { .. }
            | ProviderError::Unauthorized
            | ProviderError::Invalid { .. } => purpose == DnsPurpose::Revert,
        };
        if is_tried_again {
            let pause = match &error {
                ProviderError::RateLimited {
                    retry_after: Some(after),
                } => *after,
                _other => begun.pause,
            };
            begun.pause = (begun.pause * 2).min(RETRY.1);
            return again(pause, format!("{error}; it is tried again"));
        }
        begun.next = None;
        let step = DnsStep {
            event: DnsEvent::Stopped(purpose),
            actor: Actor::Plan,
            reason: both_versions(&error),
        };
        if let Err(error) = self.control.dns(step).await {
            tracing::warn!(%purpose, %error, "that the order stopped could not be written down");
            begun.next = Some(Instant::now() + RETRY.0);
        }
    }
}

/// Has an order written down; it is carried out by the watch once it is recorded.
pub(super) async fn give(
    control: &ControlHandle,
    order: DnsOrder,
    actor: Actor,
    reason: &str,
) -> Result<bool, String> {
    let step = DnsStep {
        event: DnsEvent::Ordered(Box::new(order)),
        actor,
        reason: reason.to_owned(),
    };
    match control.dns(step).await {
        Ok(done) => Ok(done.recorded),
        Err(CommandError::Refused(refusal)) => Err(refusal.to_string()),
        Err(error @ CommandError::Unavailable) => Err(error.to_string()),
    }
}

/// The error, with what was expected and what is there where that is known.
pub(super) fn both_versions(error: &ProviderError) -> String {
    let ProviderError::Conflict { expected, found } = error else {
        return error.to_string();
    };
    let shown = |sets: &[RecordSet]| match sets.is_empty() {
        true => "nothing".to_owned(),
        false => {
            let shown: Vec<String> = sets.iter().map(ToString::to_string).collect();
            shown.join("; ")
        }
    };
    format!(
        "somebody else changed the zone: expected {}, found {}",
        shown(expected),
        shown(found)
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        dns::look::{Answers, NamedBy, Server},
        plan::dns::Ttl,
    };

    fn view(name: &str, address: &str, answers: Result<Answers, Unanswered>) -> ServerView {
        ServerView {
            server: Server {
                name: Name::from_ascii(name).expect("a name"),
                address: address.parse().expect("an address"),
                named_by: NamedBy::Both,
            },
            answers,
        }
    }

    fn nothing() -> Answers {
        Answers {
            sets: Vec::new(),
            negative_ttl: Ttl(5),
            serial: 1,
            signatures: Vec::new(),
        }
    }

    #[test]
    fn an_address_without_a_route_is_spoken_for_by_another_one_of_the_same_server_only() {
        let no_route = || Err(Unanswered::NoRoute);
        let views = vec![
            view("ns1.test.", "192.0.2.1:53", Ok(nothing())),
            view("ns1.test.", "[2001:db8::1]:53", no_route()),
            view("ns2.test.", "[2001:db8::2]:53", no_route()),
        ];
        let seen: Vec<bool> = seen(views).iter().map(|it| it.is_spoken_for).collect();
        assert_eq!(seen, [false, true, false]);
    }
}

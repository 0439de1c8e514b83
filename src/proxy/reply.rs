//! The way back: an endpoint's head rewritten for the client, its body streamed, its outcome recorded at the end.

use http::{Method, StatusCode, Version};

use crate::{
    measure::Class,
    plan::{Plan, Sticky},
    proxy::{
        body::{Potential, Relayed, Reply, ReplyBody, is_grpc, status_class},
        exchange::{Hold, UploadState},
        failure::Failure,
        forward::{Answer, Journey},
        head::{
            Identity, ResponseContext, ResponseHead, UpgradeProtocol, finish_response,
            granted_upgrade,
            names::{CONTENT_LENGTH, GRPC_STATUS},
            set_upgrade,
        },
        relay::{Visit, fail},
        request::Intake,
        tunnel::Opening,
    },
    units::Side,
};

/// The request that is answered.
pub(crate) struct Context {
    pub(crate) visit: Visit,
    pub(crate) hold: Hold,
    pub(crate) journey: Box<Journey>,
}

/// Answers the client with what an endpoint said.
pub(crate) fn reply(context: Context, answer: Answer) -> Reply {
    let status = answer.head.status;
    if status != StatusCode::SWITCHING_PROTOCOLS {
        return pass_on(context, answer);
    }
    // A 101 that nobody asked for would turn the connection into a tunnel past every check (RFC 9110 section 15.2.2).
    let asked = context.journey.intake.hop.upgrade.as_ref();
    match asked.and_then(|it| granted_upgrade(&answer.head.headers, it)) {
        Some(granted) => open_tunnel(context, answer, &granted),
        None => fail(&context.visit, &context.hold, Failure::Protocol),
    }
}

fn pass_on(context: Context, answer: Answer) -> Reply {
    let Context {
        visit,
        hold,
        mut journey,
    } = context;
    let Answer {
        mut head,
        body,
        endpoint,
    } = answer;
    hold.head(head.status);
    let tap = journey.tap.take().filter(|_| !hold.has_failed_over());
    let mut tap = tap.filter(|_| endpoint.side == Side::Old);
    if let Some(tap) = &mut tap {
        tap.answered(&head);
    }
    drop(tap.take_if(|it| it.is_late()));
    if hold.upload() != UploadState::Ended {
        // Answered early. Should the connection close now, the client is let finish first, or it may lose the answer.
        visit.connection.leaves_unread.set(true);
    }
    let is_grpc = is_grpc(&head.headers);
    let class = classify(&head, is_grpc);
    rewrite(&mut head, &journey, endpoint.side);
    let body = if has_body(&journey.intake.method, head.status) {
        let is_pushed = body.is_pushed();
        let potential = is_pushed.then(|| Potential::of(hold.worker()));
        ReplyBody::relay(Relayed {
            body,
            potential,
            hold,
            class,
            is_grpc,
            tap,
        })
    } else {
        // Whatever the endpoint sent along is not for the client, who is answered now.
        hold.finish(class);
        hold.leave_reader();
        if let Some(tap) = tap {
            tap.finish(hold.upload());
        }
        ReplyBody::empty()
    };
    Reply { head, body }
}

fn open_tunnel(context: Context, answer: Answer, granted: &UpgradeProtocol) -> Reply {
    let Context {
        visit,
        hold,
        journey,
    } = context;
    let Answer {
        mut head,
        body,
        endpoint,
    } = answer;
    let Some(tunnel) = body.into_tunnel() else {
        return fail(&visit, &hold, Failure::Protocol);
    };
    hold.head(head.status);
    rewrite(&mut head, &journey, endpoint.side);
    set_upgrade(&mut head.headers, granted);
    hold.finish(Class::Upgrade);
    let opening = Opening {
        endpoint: tunnel,
        side: endpoint.side,
        assignment: journey.assignment(),
        writer: journey.intake.writer(),
    };
    visit.connection.tunnel.replace(Some(opening));
    hold.leave_reader();
    Reply {
        head,
        body: ReplyBody::empty(),
    }
}

/// Passes an interim answer on, if the client's protocol has any.
pub(crate) fn hint(
    visit: &Visit,
    plan: &Plan,
    intake: &Intake,
    answers: Side,
    mut head: ResponseHead,
) {
    let hints = &visit.connection.hints;
    if !visit.interim.takes(head.status, hints) {
        return;
    }
    let context = ResponseContext {
        client: &intake.client,
        authority: &intake.authority,
        host: &plan.upstreams[answers].host,
        forwarding: &plan.forwarding,
        set_cookie: None,
        reveals: None,
        version: head.version,
    };
    finish_response(&mut head, &context);
    head.headers.remove(CONTENT_LENGTH);
    visit.interim.say(head, plan.limits.head_bytes, hints);
}

/// Rewrites a response's head in place.
fn rewrite(head: &mut ResponseHead, journey: &Journey, answers: Side) {
    let plan = journey.footing.plan();
    let intake = &journey.intake;
    let cookie = match (&plan.split.sticky, &intake.identity) {
        (Sticky::Cookie(cookie), Identity::FirstVisit(id)) => Some((id, cookie)),
        _ => None,
    };
    let context = ResponseContext {
        client: &intake.client,
        authority: &intake.authority,
        host: &plan.upstreams[answers].host,
        forwarding: &plan.forwarding,
        set_cookie: cookie,
        reveals: plan.split.reveals_side.then_some(answers),
        version: head.version,
    };
    finish_response(head, &context);
    // What the client speaks is its connection's business.
    head.version = Version::HTTP_11;
}

fn classify(head: &ResponseHead, is_grpc: bool) -> Class {
    let by_status = Class::of_status(head.status);
    if is_grpc {
        status_class(head.headers.get(GRPC_STATUS)).unwrap_or(by_status)
    } else {
        by_status
    }
}

/// Whether a response has a body (RFC 9110 section 6.4.1).
fn has_body(method: &Method, status: StatusCode) -> bool {
    *method != Method::HEAD
        && status != StatusCode::NO_CONTENT
        && status != StatusCode::NOT_MODIFIED
}

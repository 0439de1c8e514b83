//! One request, stage by stage: taken in, assigned, forwarded, answered, measured.

use std::rc::Rc;

use http_body::Body;

use crate::{
    measure::Rejection,
    proxy::{
        body::{ClientBody, Reply, Upload, is_complete, is_grpc},
        connection::Connection,
        exchange::{Exchange, Hold, Talk, UploadState},
        failure::{self, Failure},
        forward::{self, Journey},
        head::RequestHead,
        hints::Interim,
        reply::{self, Context},
        request::Intake,
        shadow::Tap,
        wheel::{Deadline, Wait},
    },
};

/// What a request brings along of its connection.
pub(crate) struct Visit {
    pub(crate) connection: Rc<Connection>,
    /// What the connection (HTTP/1) or the stream (HTTP/2) waits for.
    pub(crate) deadline: Rc<Deadline>,
    /// How interim answers reach the client.
    pub(crate) interim: Interim,
}

/// A request that was taken in and assigned.
pub(crate) struct Taken {
    hold: Hold,
    journey: Box<Journey>,
}

/// Takes a request in: reads its head, assigns it, and begins to measure it.
///
/// # Errors
/// The refusal.
pub(crate) fn take_in(
    visit: &Visit,
    mut head: RequestHead,
    incoming: ClientBody,
) -> Result<Taken, Reply> {
    let worker = &visit.connection.worker;
    visit.deadline.wait(Wait::Nothing);
    if worker.holds_too_much() {
        return Err(refuse(visit, Rejection::BufferedBytes));
    }
    let now = worker.now();
    // One borrow for both, so that the head is read and assigned by the same table.
    let taken = {
        let mut reader = worker.table.borrow_mut();
        let table = reader.table();
        let footing = worker.footing_of(table.edition);
        let peer = visit.connection.peer;
        Intake::new(footing.plan(), peer, &mut head, table, now).map(|mut it| {
            it.look_up(&worker.writers, table, now);
            let assignment = it.assign(table);
            (it, assignment, footing)
        })
    };
    let (intake, assignment, footing) = taken.map_err(|reason| refuse(visit, reason))?;
    if footing.plan().dns.is_some() {
        visit.connection.note_arrival(intake.client.address);
    }
    // A limit of ours says nothing about the side, and never moves the request to the other one.
    if !worker.has_room_on(assignment.side) {
        return Err(refuse(visit, Rejection::Overload));
    }
    let upload = if is_complete(&incoming) {
        UploadState::Ended
    } else {
        UploadState::Waiting
    };
    let talk = if is_grpc(&head.headers) {
        Talk::AtOnce
    } else {
        Talk::InTurn
    };
    let ticket = worker.recorder.begin(assignment, intake.route, now);
    let exchange = Exchange::new(
        Rc::clone(worker),
        Rc::clone(&visit.deadline),
        ticket,
        upload,
        talk,
    );
    let exchange = exchange.by(intake.writer(), assignment.side);
    let hold = Hold::new(Rc::new(exchange));
    let has_body = upload != UploadState::Ended;
    let length = has_body.then(|| incoming.size_hint());
    let tap = Tap::draw(worker, &footing, (&intake, assignment), &head, length);
    let body = if has_body {
        let kept = tap.as_ref().and_then(|it| it.request_body());
        Upload::new(incoming, Rc::clone(&hold)).kept_by(kept)
    } else {
        Upload::empty()
    };
    // Boxed, since it is handed from hand to hand.
    let journey = Journey::new(footing, (intake, assignment), head, body);
    let journey = Box::new(journey.copied(tap));
    Ok(Taken { hold, journey })
}

/// Answers a request that was taken in.
pub(crate) async fn relay(visit: Visit, taken: Taken) -> Reply {
    let Taken { hold, mut journey } = taken;
    match forward::forward(&visit, &hold, &mut journey).await {
        Ok(answer) => reply::reply(
            Context {
                visit,
                hold,
                journey,
            },
            answer,
        ),
        Err(failure) => fail(&visit, &hold, failure),
    }
}

/// Refuses a request before it is assigned.
pub(crate) fn refuse(visit: &Visit, reason: Rejection) -> Reply {
    visit.connection.worker.recorder.reject(reason);
    visit.connection.leaves_unread.set(true);
    visit.deadline.wait(Wait::Flush);
    failure::reject(reason)
}

/// Answers with a failure, once its outcome is recorded.
pub(crate) fn fail(visit: &Visit, hold: &Hold, failure: Failure) -> Reply {
    hold.finish_with(failure.class(), failure.status());
    if hold.upload() != UploadState::Ended {
        visit.connection.leaves_unread.set(true);
    }
    hold.leave_reader();
    failure.answer()
}

//! Health of the process itself, for service managers and load balancers. Neither route needs a token.

use axum::{
    extract::State,
    http::header,
    response::{IntoResponse, Response},
};

use crate::admin::{
    Context,
    problem::{Kind, Problem},
};

/// `GET /healthz`: the process answers.
pub(crate) async fn healthz() -> Response {
    ok("alive\n")
}

/// `GET /readyz`: the control loop runs and decides, the journal can be written, every worker reports.
pub(crate) async fn readyz(State(context): State<Context>) -> Result<Response, Problem> {
    let mut reasons = context.control.status().not_ready.clone();
    if !context.control.is_alive() {
        reasons.insert(0, "the control loop has ended".into());
    } else if let Some(silence) = context.control.stuck_for() {
        let silence = silence.as_secs();
        reasons.insert(
            0,
            format!("the control loop has decided nothing for {silence} s"),
        );
    }
    if reasons.is_empty() {
        return Ok(ok("ready\n"));
    }
    Err(Problem::new(Kind::NotReady, reasons.join("; ")))
}

fn ok(text: &'static str) -> Response {
    ([(header::CONTENT_TYPE, "text/plain; charset=utf-8")], text).into_response()
}

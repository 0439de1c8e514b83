//! `changeover ramp`: start, hold, resume, advance.

use clap::{Args, Subcommand};
use serde::Serialize;

use crate::cli::{
    arguments::{Connect, Reason, Show},
    client::{Method, order},
    exit::Failure,
};

/// Steer the ramp
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    step: Step,
}

#[derive(Debug, Subcommand)]
enum Step {
    /// Start the ramp at its first step
    Start(Plain),
    /// Stay at the weight in force
    Hold(Plain),
    /// Go on after a hold, a weight set by hand, or a rollback
    Resume(Resume),
    /// Skip the rest of the bake, but neither a breach nor a gate
    Advance(Plain),
}

#[derive(Debug, Args)]
struct Plain {
    #[command(flatten)]
    connect: Connect,
    #[command(flatten)]
    show: Show,
}

#[derive(Debug, Args)]
struct Resume {
    #[command(flatten)]
    reason: Reason,
    /// After a rollback: the step to start at, counted from 1; another one than the first needs an approver
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    step: Option<u32>,
    #[command(flatten)]
    connect: Connect,
    #[command(flatten)]
    show: Show,
}

#[derive(Serialize)]
struct NoFields {}

#[derive(Serialize)]
struct ResumeBody {
    reason: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    step: Option<u32>,
}

pub(crate) fn run(arguments: Arguments) -> Result<(), Failure> {
    let plain = |it: &Plain, path: &str, what: &str| {
        let target = (Method::Post, path);
        order((&it.connect, it.show), target, &NoFields {}, what)
    };
    match arguments.step {
        Step::Start(it) => plain(&it, "/api/v1/ramp/start", "the ramp has started"),
        Step::Hold(it) => plain(&it, "/api/v1/ramp/hold", "the ramp holds"),
        Step::Advance(it) => plain(&it, "/api/v1/ramp/advance", "the next step has begun"),
        Step::Resume(it) => {
            let body = ResumeBody {
                reason: it.reason.reason,
                step: it.step,
            };
            let target = (Method::Post, "/api/v1/ramp/resume");
            order((&it.connect, it.show), target, &body, "the ramp goes on")
        }
    }
}

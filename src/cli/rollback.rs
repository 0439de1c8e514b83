//! `changeover rollback`: everything back to old, now.

use clap::Args;
use serde::Serialize;

use crate::cli::{
    arguments::{Connect, Reason, Show},
    client::{Method, order},
    exit::Failure,
};

/// Send all traffic back to old, now
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    #[command(flatten)]
    reason: Reason,
    #[command(flatten)]
    connect: Connect,
    #[command(flatten)]
    show: Show,
}

#[derive(Serialize)]
struct Body {
    reason: String,
}

pub(crate) fn run(arguments: Arguments) -> Result<(), Failure> {
    let body = Body {
        reason: arguments.reason.reason,
    };
    let target = (Method::Post, "/api/v1/rollback");
    let what = "all traffic is back on old";
    order((&arguments.connect, arguments.show), target, &body, what)
}

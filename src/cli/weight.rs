//! `changeover weight`: a weight by hand.

use clap::Args;
use serde::Serialize;

use crate::{
    cli::{
        arguments::{Connect, Reason, Show},
        client::{Method, order},
        exit::Failure,
    },
    units::Weight,
};

/// Set the weight by hand and hold there
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// The share of traffic for new, such as 5, 2.5% or 100%
    #[arg(value_name = "PERCENT")]
    weight: Weight,
    #[command(flatten)]
    reason: Reason,
    #[command(flatten)]
    connect: Connect,
    #[command(flatten)]
    show: Show,
}

#[derive(Serialize)]
struct Body {
    percent: f64,
    reason: String,
}

pub(crate) fn run(arguments: Arguments) -> Result<(), Failure> {
    let body = Body {
        percent: arguments.weight.percent(),
        reason: arguments.reason.reason,
    };
    let what = format!("new gets {} of the traffic", arguments.weight);
    let target = (Method::Put, "/api/v1/weight");
    order((&arguments.connect, arguments.show), target, &body, &what)
}

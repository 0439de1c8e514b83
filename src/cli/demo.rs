//! `changeover demo`: the whole job on loopback.

use std::io;

use clap::{Args, ValueEnum};

use crate::{
    cli::{
        exit::Failure,
        logging::{self, LevelFilter, LogFormat},
    },
    demo::{self, DemoError, Options, Scenario, Verdict},
};

/// Show the whole job on loopback: two environments, traffic, a ramp, a fault, the rollback, names that move
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// What happens to the new environment
    #[arg(long, value_name = "SCENARIO", default_value = "errors")]
    scenario: ScenarioArgument,
    /// About how long the ramp takes
    #[arg(
        long,
        value_name = "N",
        default_value_t = 20,
        value_parser = clap::value_parser!(u32)
            .range(i64::from(Options::SECONDS_MIN)..=i64::from(Options::SECONDS_MAX))
    )]
    seconds: u32,
    /// The proxy's port on loopback; 0 takes a free one
    #[arg(long, value_name = "P", default_value_t = 0)]
    port: u16,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum ScenarioArgument {
    /// New stays well: the ramp completes
    Healthy,
    /// New stays well, and a drill tries the way back at the first step
    Drill,
    /// New starts to answer errors
    Errors,
    /// New starts to answer late
    Slow,
    /// New's process is gone
    Dead,
    /// New starts to answer errors once names have moved to it
    AfterMove,
}

pub(crate) fn run(arguments: &Arguments) -> Result<(), Failure> {
    // The demo tells its story itself; the log would tell it again.
    logging::start(LogFormat::Text, LevelFilter::OFF)?;
    let scenario = match arguments.scenario {
        ScenarioArgument::Healthy => Scenario::Healthy,
        ScenarioArgument::Drill => Scenario::Drill,
        ScenarioArgument::Errors => Scenario::Errors,
        ScenarioArgument::Slow => Scenario::Slow,
        ScenarioArgument::Dead => Scenario::Dead,
        ScenarioArgument::AfterMove => Scenario::AfterMove,
    };
    let options = Options {
        scenario,
        seconds: arguments.seconds,
        port: arguments.port,
    };
    let summary = demo::run(options, &mut io::stdout().lock());
    let summary = summary.map_err(|error| match error {
        DemoError::Io(error) if error.kind() == io::ErrorKind::BrokenPipe => Failure::ClosedPipe,
        other => Failure::Failed(other.into()),
    })?;
    match summary.verdict() {
        Verdict::AsItMust => Ok(()),
        Verdict::Otherwise => Err(Failure::Failed(anyhow::anyhow!(
            "the scenario did not end as it must; the summary says how it did"
        ))),
    }
}

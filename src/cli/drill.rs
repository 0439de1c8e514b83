//! `changeover drill`: the way back, tried on purpose while little depends on it.

use std::{thread, time::Duration};

use clap::{Args, ValueEnum};
use serde::Serialize;

use crate::{
    cli::{
        arguments::{Connect, Reason, Show, duration},
        client::{Client, Method},
        exit::Failure,
        figures::{count, latency},
        output,
        page::Page,
    },
    control::{Done, DrillStatus, Status},
    plan::{DRILL_SPAN_MAX, DrillFault},
    units::Weight,
};

/// From one look at how far it is to the next.
const LOOK: Duration = Duration::from_millis(200);

/// Looks until it must be over: what it waits for at most, and some time to be recorded.
const LOOKS_MAX: u128 = 2 * DRILL_SPAN_MAX.as_millis() / LOOK.as_millis();

/// Inject a fault into requests for new until something trips, measure it, and go on where the ramp was
#[derive(Debug, Args)]
#[command(
    after_help = "Only reads that the weight sent to new are touched. Old answers them, but with latency, where new does: no client \
    gets an error by it. Exit code 1: nothing tripped, or it was broken off."
)]
pub(crate) struct Arguments {
    /// The fault
    #[arg(long, value_enum, default_value_t = Fault::Errors)]
    fault: Fault,
    /// With latency: how much later new is asked, such as 500ms; at most 5s
    #[arg(long, value_name = "DURATION", value_parser = duration, required_if_eq("fault", "latency"))]
    latency: Option<Duration>,
    /// The share of those requests that it is injected into, such as 20%
    #[arg(long, value_name = "PERCENT", default_value = "50%")]
    share: Weight,
    #[command(flatten)]
    reason: Reason,
    #[command(flatten)]
    connect: Connect,
    #[command(flatten)]
    show: Show,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum, Serialize)]
#[serde(rename_all = "snake_case")]
enum Fault {
    /// New counts as having answered with an error
    Errors,
    /// New counts as having refused the connection
    Refused,
    /// New is asked later, which counts as its latency
    Latency,
}

#[derive(Serialize)]
struct Body {
    fault: Fault,
    share: f64,
    #[serde(skip_serializing_if = "Option::is_none")]
    latency_ms: Option<u64>,
    reason: String,
}

pub(crate) fn run(arguments: Arguments) -> Result<(), Failure> {
    if arguments.latency.is_some() && arguments.fault != Fault::Latency {
        let text = "--latency beside another fault: say --fault latency";
        return Err(Failure::Usage(text.into()));
    }
    let most = DrillFault::LATENCY_MAX;
    let is_wrong = |it: &Duration| it.as_millis() == 0 || *it > most;
    if let Some(wrong) = arguments.latency.filter(is_wrong) {
        let text = format!("--latency is {wrong:?}; expected 1ms to {most:?}");
        return Err(Failure::Usage(text));
    }
    if arguments.share == Weight::NONE {
        let text = "--share is 0%: nothing would be touched".to_owned();
        return Err(Failure::Usage(text));
    }
    let millis = |it: Duration| u64::try_from(it.as_millis()).unwrap_or(u64::MAX);
    let body = Body {
        fault: arguments.fault,
        share: arguments.share.percent(),
        latency_ms: arguments.latency.map(millis),
        reason: arguments.reason.reason,
    };
    let client = Client::new(&arguments.connect)?;
    let (_, _begun): (String, Done) = client.send(Method::Post, "/api/v1/drill", &body)?;
    let drill = outcome(&client)?;
    match arguments.show.json {
        true => {
            let json = serde_json::to_string_pretty(&drill);
            let json = json.map_err(|error| Failure::Failed(error.into()))?;
            output::print(&format!("{json}\n"))?;
        }
        false => output::print(&shown(&drill))?,
    }
    match drill.state.as_str() {
        "passed" => Ok(()),
        state => {
            Err(anyhow::anyhow!("the drill was not passed: {}", state.replace('_', " ")).into())
        }
    }
}

/// Waits until the drill is over.
fn outcome(client: &Client) -> Result<DrillStatus, Failure> {
    for _ in 0..LOOKS_MAX {
        let (_, status): (String, Status) = client.get("/api/v1/status")?;
        // Known once the ramp has returned, too.
        let ended = status.drill.filter(|it| it.ended_at.is_some());
        if let Some(drill) = ended {
            return Ok(drill);
        }
        thread::park_timeout(LOOK);
    }
    let text = "the drill is not over yet: `changeover status` shows how far it is";
    Err(anyhow::anyhow!(text).into())
}

/// What came of it, for people.
fn shown(drill: &DrillStatus) -> String {
    let mut page = Page::default();
    page.line("drill", drill.state.replace('_', " "));
    if let Some(cause) = &drill.cause {
        page.line("tripped", cause);
    }
    if let Some(ms) = drill.reaction_ms {
        page.line(
            "reaction",
            format_args!("{} from the fault to weight 0", latency(ms)),
        );
    }
    if let Some(touched) = drill.touched {
        page.line("touched", format_args!("{} requests", count(touched)));
    }
    if let Some(why) = &drill.why {
        page.line("why", why);
    }
    page.text
}

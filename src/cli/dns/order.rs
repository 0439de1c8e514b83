//! `changeover dns lower-ttl|move|revert|restore-ttl`: orders about names, to the server.

use std::time::Duration;

use clap::Args;
use serde::Serialize;

use crate::{
    admin::{DnsAnswer, DnsWay},
    cli::{
        arguments::{Connect, Show, duration},
        client::{Client, Method},
        exit::Failure,
        figures::span,
        output,
        page::Page,
    },
    cutover::DnsPurpose,
    plan::dns::Ttl,
};

/// The server answers within 70 s.
const TIMEOUT: Duration = Duration::from_secs(75);

/// What every order has.
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    #[command(flatten)]
    why: Why,
    #[command(flatten)]
    connect: Connect,
    #[command(flatten)]
    show: Show,
}

/// What lowering has beside it.
#[derive(Debug, Args)]
pub(crate) struct LowerArguments {
    /// The TTL to lower to, such as 60s; the plan's by default
    #[arg(long, value_name = "DURATION", value_parser = duration)]
    to: Option<Duration>,
    /// Go there by an hour and five minutes, each as long as the TTL before it: what is wrong with one does not last long
    #[arg(long)]
    steps: bool,
    #[command(flatten)]
    order: Arguments,
}

#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
struct Why {
    /// Why; it stands in the journal for good
    #[arg(long, value_name = "TEXT")]
    reason: Option<String>,
    /// Show what would be ordered, and order nothing
    #[arg(long)]
    plan: bool,
}

#[derive(Serialize)]
struct Body<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'a str>,
    plan: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    to: Option<Ttl>,
    #[serde(skip_serializing_if = "Option::is_none")]
    steps: Option<bool>,
}

pub(crate) fn lower(arguments: &LowerArguments) -> Result<(), Failure> {
    let to = arguments.to.map(whole_seconds).transpose()?;
    let order = &arguments.order;
    let body = Body {
        to,
        steps: Some(arguments.steps),
        ..body(order)
    };
    send(order, "/api/v1/dns/lower-ttl", &body)
}

pub(crate) fn order(purpose: DnsPurpose, arguments: &Arguments) -> Result<(), Failure> {
    send(
        arguments,
        &format!("/api/v1/dns/{purpose}"),
        &body(arguments),
    )
}

fn body(arguments: &Arguments) -> Body<'_> {
    Body {
        reason: arguments.why.reason.as_deref(),
        plan: arguments.why.plan,
        to: None,
        steps: None,
    }
}

fn whole_seconds(span: Duration) -> Result<Ttl, Failure> {
    let seconds = u32::try_from(span.as_secs()).ok();
    match seconds.filter(|it| *it > 0 && span.subsec_nanos() == 0) {
        Some(seconds) => Ok(Ttl(seconds)),
        None => {
            let text = format!("--to is {span:?}; expected whole seconds, one at least");
            Err(Failure::Usage(text))
        }
    }
}

fn send(arguments: &Arguments, path: &str, body: &Body<'_>) -> Result<(), Failure> {
    let client = Client::new(&arguments.connect)?;
    let (text, answer): (String, DnsAnswer) =
        client.send_within(Method::Post, path, body, TIMEOUT)?;
    match arguments.show.json {
        true => output::print(&format!("{}\n", text.trim_end())),
        false => output::print(&shown(&answer)),
    }
}

/// What is ordered, as people read it.
pub(super) fn shown(answer: &DnsAnswer) -> String {
    let mut page = Page::default();
    let purpose = answer.purpose;
    let state = match (answer.ordered, answer.recorded) {
        (false, _) => "would be ordered; nothing was",
        (true, true) => "ordered",
        (true, false) => "ordered; not recorded yet, since the journal cannot be written",
    };
    page.row(format_args!("dns {purpose} {state}"));
    for line in answer.change.to_string().lines() {
        page.more(line);
    }
    for tried in &answer.tried {
        page.line("tried", tried);
    }
    if !answer.then.is_empty() {
        let then: Vec<String> = answer.then.iter().map(ToString::to_string).collect();
        page.line("then", format_args!("to {}, by itself", then.join(", ")));
    }
    for (index, way) in answer.ways.iter().enumerate() {
        page.line(if index == 0 { "ways" } else { "" }, way_shown(way));
    }
    if answer.ordered {
        page.line("now", follows(purpose));
    }
    page.text
}

fn way_shown(way: &DnsWay) -> String {
    let ttls: Vec<String> = way.ttls.iter().map(ToString::to_string).collect();
    let takes = span(Duration::from_secs(way.takes_s).as_secs_f64());
    format!(
        "to {}: takes {takes} in all, names may move at {}",
        ttls.join(", then "),
        way.earliest
    )
}

const fn follows(purpose: DnsPurpose) -> &'static str {
    match purpose {
        DnsPurpose::LowerTtl => {
            "the TTL before begins to run out once every server of the zone says the lower one; `changeover status` shows \
             each of them"
        }
        DnsPurpose::Move => {
            "resolvers go on saying what was before for as long as the lowered TTL, and some for longer: the proxy keeps \
             serving; `changeover status` shows each server"
        }
        DnsPurpose::Revert => {
            "until every server says so, and for as long as the lowered TTL after that, resolvers may still lead clients \
             to new; `changeover status` shows each server"
        }
        DnsPurpose::RestoreTtl => "`changeover status` shows each server",
    }
}

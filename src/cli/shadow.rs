//! `changeover shadow report`: where new answers otherwise than old, as copies of requests have shown it.

use std::cmp::Reverse;

use clap::{Args, Subcommand};

use crate::{
    cli::{
        arguments::{Connect, Show},
        client::Client,
        exit::Failure,
        figures::{count, cut, latency, ratio, span},
        output,
        page::Page,
    },
    shadow::{DifferenceReport, LatencyReport, Report, RouteReport, Verdict},
    units::Side,
};

/// Copies of requests: where new answers otherwise than old
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Report(ReportArguments),
}

/// Show the top differences with samples, what is noise, and how much was compared
#[derive(Debug, Args)]
struct ReportArguments {
    /// Show no more than this many places
    #[arg(long, value_name = "COUNT", default_value_t = 10)]
    top: usize,
    /// Show this route only
    #[arg(long, value_name = "NAME")]
    route: Option<String>,
    /// Show what is noise as well
    #[arg(long)]
    noise: bool,
    #[command(flatten)]
    connect: Connect,
    #[command(flatten)]
    show: Show,
}

pub(crate) fn run(arguments: &Arguments) -> Result<(), Failure> {
    let Command::Report(arguments) = &arguments.command;
    let client = Client::new(&arguments.connect)?;
    let (json, report): (String, Report) = client.get("/api/v1/shadow")?;
    match arguments.show.json {
        true => output::print(&format!("{}\n", json.trim_end())),
        false => output::print(&text(&report, arguments)),
    }
}

/// The report as people read it.
fn text(report: &Report, arguments: &ReportArguments) -> String {
    let mut page = Page::default();
    let age = span(report.at.since(report.since).as_secs_f64());
    let (old, new) = (count(report.compared.old), count(report.compared.new));
    page.line(
        "copies",
        format_args!("{new} to new and {old} to old were compared in {age}"),
    );
    page.more(&format!(
        "{} of the requests that old answers, {} of them to old once more",
        ratio(report.share),
        ratio(report.noise)
    ));
    page.line("differ", differ(report));
    if let Some(gate) = &report.gate {
        let most = ratio(gate.max_difference);
        let state = match gate.is_given {
            true => format!("shown to be no more than {most}"),
            false => format!(
                "{} more copies without a difference would show no more than {most}",
                count(gate.copies_left)
            ),
        };
        page.line("gate", state);
    }
    left_out(&mut page, report);
    let is_asked = |name: &str| arguments.route.as_deref().is_none_or(|it| it == name);
    routes(&mut page, report, &is_asked);
    let places = report.differences.iter().filter(|it| {
        let is_shown = arguments.noise || it.verdict != Verdict::Noise;
        is_shown && is_asked(&it.route)
    });
    let places: Vec<&DifferenceReport> = places.collect();
    for place in places.iter().take(arguments.top) {
        page.blank();
        difference(&mut page, place);
    }
    page.blank();
    page.line("", rest(report, places.len().saturating_sub(arguments.top)));
    page.text
}

fn differ(report: &Report) -> String {
    let of = |verdict| {
        let places = report.differences.iter();
        places.filter(|it| it.verdict == verdict).count()
    };
    let (found, open, noise) = (
        of(Verdict::Difference),
        of(Verdict::Open),
        of(Verdict::Noise),
    );
    let places = |count: usize| match count {
        1 => "1 place".to_owned(),
        count => format!("{count} places"),
    };
    format!(
        "beyond noise at {}, perhaps at {open} more; {} of noise",
        places(found),
        places(noise)
    )
}

fn left_out(page: &mut Page, report: &Report) {
    let dropped = report.dropped;
    if dropped.busy + dropped.too_long + dropped.incomplete > 0 {
        page.line(
            "dropped",
            format_args!(
                "{} for want of room, {} with a longer body than is kept, {} that old did not answer to the end",
                count(dropped.busy),
                count(dropped.too_long),
                count(dropped.incomplete)
            ),
        );
    }
    for (why, number) in &report.unread {
        page.line("unread", format_args!("{} bodies: {why}", count(*number)));
    }
}

fn routes(page: &mut Page, report: &Report, is_asked: &dyn Fn(&str) -> bool) {
    /// Those that differ at the most places come first; the others are alike.
    const SHOWN: usize = 10;
    let places = |name: &str| {
        let places = report.differences.iter();
        let of_route = places.filter(|it| it.route == name);
        let found = of_route.filter(|it| it.verdict == Verdict::Difference);
        found.count()
    };
    let routes = report.routes.iter().filter(|it| is_asked(&it.name));
    let mut routes: Vec<(usize, &RouteReport)> = routes.map(|it| (places(&it.name), it)).collect();
    routes.sort_by_key(|(places, it)| (Reverse(*places), Reverse(it.compared.new)));
    if routes.is_empty() {
        return;
    }
    page.blank();
    page.row("route             to new  differs at    p50 new / old        p95 new / old");
    for (places, route) in routes.iter().take(SHOWN) {
        page.row(format_args!(
            "{:<17} {:>6}  {places:>10}    {:<19}  {}",
            cut(&route.name, 17),
            count(route.compared.new),
            latencies(route.p50_ms),
            latencies(route.p95_ms)
        ));
    }
    if routes.len() > SHOWN {
        page.row(format_args!("and {} more routes", routes.len() - SHOWN));
    }
}

fn latencies(both: LatencyReport) -> String {
    let shown = |it: Option<f64>| it.map_or_else(|| "-".to_owned(), latency);
    format!("{} / {}", shown(both.new), shown(both.old))
}

fn difference(page: &mut Page, it: &DifferenceReport) {
    let label = match it.verdict {
        Verdict::Difference => "DIFFERS",
        Verdict::Open => "open",
        Verdict::Noise => "noise",
    };
    page.line(label, it);
    if it.verdict == Verdict::Open {
        page.more("too few copies to say");
    }
    for sample in it.samples.iter().filter(|it| it.to == Side::New) {
        page.line("e.g.", &sample.request);
        page.more(&format!("old {}", shown(&sample.old)));
        page.more(&format!("new {}", shown(&sample.copy)));
    }
}

fn shown(value: &str) -> &str {
    match value {
        "" => "(nothing)",
        value => value,
    }
}

fn rest(report: &Report, hidden: usize) -> String {
    let mut said = Vec::new();
    if hidden > 0 {
        said.push(format!("{hidden} more places: --top"));
    }
    if report.others > 0 {
        said.push(format!(
            "{} differences at places beyond those that are kept count of",
            count(report.others)
        ));
    }
    said.push("--json has everything".to_owned());
    said.join("; ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        shadow::{Counts, Dropped, GateReport, Sample},
        units::Timestamp,
    };

    fn report() -> Report {
        let place = |verdict, old, new| DifferenceReport {
            route: "catalog".to_owned(),
            place: "json /items/*/price".to_owned(),
            verdict,
            old,
            of_old: 415,
            new,
            of_new: 430,
            ln_evidence: 40.0,
            ln_threshold: 9.0,
            samples: vec![Sample {
                request: "GET /catalog/999".to_owned(),
                to: Side::New,
                old: "99.99".to_owned(),
                copy: String::new(),
            }],
        };
        Report {
            since: Timestamp::from_micros(0),
            at: Timestamp::from_micros(90_000_000),
            share: 0.01,
            noise: 0.5,
            compared: Counts { old: 415, new: 430 },
            differing: Counts { old: 7, new: 212 },
            unexplained: 205,
            dropped: Dropped {
                busy: 3,
                too_long: 0,
                incomplete: 1,
            },
            unread: [("in an encoding that is not read here".to_owned(), 2)].into(),
            gate: Some(GateReport {
                max_difference: 0.005,
                is_given: false,
                copies_left: 1_200,
            }),
            routes: vec![RouteReport {
                name: "catalog".to_owned(),
                compared: Counts { old: 415, new: 430 },
                differing: Counts { old: 7, new: 212 },
                p50_ms: LatencyReport {
                    old: Some(4.0),
                    new: Some(5.0),
                },
                p95_ms: LatencyReport {
                    old: None,
                    new: Some(12.0),
                },
            }],
            differences: vec![
                place(Verdict::Difference, 0, 212),
                place(Verdict::Noise, 400, 430),
            ],
            others: 0,
        }
    }

    fn asked() -> ReportArguments {
        ReportArguments {
            top: 10,
            route: None,
            noise: false,
            connect: Connect::default(),
            show: Show { json: false },
        }
    }

    #[test]
    fn it_names_what_differs_and_fits_a_terminal() {
        let text = text(&report(), &asked());
        let expected = "\
copies    430 to new and 415 to old were compared in 1m 30s
          1% of the requests that old answers, 50% of them to old once more
differ    beyond noise at 1 place, perhaps at 0 more; 1 place of noise
gate      1,200 more copies without a difference would show no more than 0.5%
dropped   3 for want of room, 0 with a longer body than is kept, 1 that old did
          not answer to the end
unread    2 bodies: in an encoding that is not read here

route             to new  differs at    p50 new / old        p95 new / old
catalog              430           1    5.00 ms / 4.00 ms    12.0 ms / -

DIFFERS   catalog: json /items/*/price differs in 212 of 430 copies to new, and
          in none of 415 to old
e.g.      GET /catalog/999
          old 99.99
          new (nothing)

          --json has everything
";
        assert_eq!(text, expected);
    }

    #[test]
    fn noise_and_routes_are_shown_where_they_are_asked_for() {
        let noise = ReportArguments {
            noise: true,
            ..asked()
        };
        assert!(text(&report(), &noise).contains("\nnoise     catalog: json"));
        let other = ReportArguments {
            route: Some("basket".to_owned()),
            ..asked()
        };
        assert!(!text(&report(), &other).contains("catalog"));
        let none = ReportArguments { top: 0, ..asked() };
        assert!(text(&report(), &none).contains("1 more places: --top"));
    }
}

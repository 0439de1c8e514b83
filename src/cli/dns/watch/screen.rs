//! One frame: the same lines as those of `changeover status`, and the last hour's arrivals below them.

use std::time::Instant;

use ratatui::{
    Frame,
    layout::{Constraint, Layout},
    text::Line,
    widgets::Paragraph,
};

use crate::{
    cli::{
        page::Page,
        status::text::{arrivals, names},
        watch::{Seen, foot, header},
    },
    control::Status,
};

/// Draws everything that there is room for.
pub(super) fn draw(frame: &mut Frame<'_>, seen: &Seen, now: Instant) {
    let [head, body, below] = Layout::vertical([
        Constraint::Length(1),
        Constraint::Fill(1),
        Constraint::Length(1),
    ])
    .areas(frame.area());
    header(frame, head, seen, now);
    let text = match &seen.status {
        Some(status) => text(status),
        None => "waiting for the first answer\n".to_owned(),
    };
    let lines: Vec<Line<'_>> = text.lines().map(Line::raw).collect();
    frame.render_widget(Paragraph::new(lines), body);
    foot(frame, below);
}

/// What is shown of a status.
fn text(status: &Status) -> String {
    let mut page = Page::default();
    match &status.dns {
        Some(dns) => {
            names(&mut page, dns);
            page.blank();
            arrivals(&mut page, &dns.arrivals);
        }
        None => page.line(
            "dns",
            "the configuration of the server has no [dns]: no name moves",
        ),
    }
    page.text
}

#[cfg(test)]
mod tests {
    use std::net::IpAddr;

    use ratatui::{Terminal, backend::TestBackend};

    use super::*;
    use crate::{
        admin::fixture,
        cli::watch::Link,
        clock,
        control::{
            ArrivalsStatus, DnsStatus, EstimateStatus, MinuteStatus, QuietStatus, ResolverStatus,
            ServerStatus, VisitorStatus,
        },
        cutover::Leads,
        plan::dns::RecordSet,
        units::Timestamp,
    };

    fn at(minute: i64) -> Timestamp {
        Timestamp::from_micros(1_795_737_600_000_000 + minute * 60_000_000)
    }

    fn served(ttl: u32) -> Vec<RecordSet> {
        let set = serde_json::json!({
            "name": "shop.example.com.", "type": "A", "ttl": ttl, "values": ["198.51.100.1"]
        });
        vec![serde_json::from_value(set).unwrap()]
    }

    fn moved() -> DnsStatus {
        let requests = (0..40_u64).map(|it| 12_000 >> (it / 4));
        let minutes = (0..).zip(requests).map(|(minute, requests)| MinuteStatus {
            at: at(minute),
            whole: minute > 0,
            requests: vec![requests, 0],
            clients: vec![requests.div_ceil(10), 0],
            more_clients: false,
        });
        DnsStatus {
            leads: Leads::To,
            order: None,
            progress: None,
            names: None,
            is_recorded: true,
            due: None,
            ttl: None,
            waits: Vec::new(),
            servers: vec![ServerStatus {
                name: "ns1.example.com.".into(),
                address: "192.0.2.53:53".parse().unwrap(),
                says: served(60),
                fault: None,
            }],
            unknown: None,
            resolvers: vec![ResolverStatus {
                address: "9.9.9.9:53".parse().unwrap(),
                says: served(41),
                fault: None,
            }],
            arrivals: ArrivalsStatus {
                listeners: vec![
                    "0.0.0.0:443".parse().unwrap(),
                    "0.0.0.0:80".parse().unwrap(),
                ],
                minutes: minutes.collect(),
                busiest: vec![VisitorStatus {
                    address: IpAddr::from([203, 0, 113, 7]),
                    requests: 19,
                }],
            },
            quiet: Some(QuietStatus {
                moved_at: at(0),
                per_minute: 23.0,
                under: 5,
                needed_s: 21_600.0,
                observed_s: 0.0,
                unobserved_s: 0.0,
                since: None,
                satisfied: false,
                reached_at: None,
                broken_at: None,
                broken_by: None,
                estimate: Some(EstimateStatus {
                    half_life_min: 4.0,
                    below_at: at(49),
                    earliest: at(48),
                    latest: at(51),
                    quiet_at: at(409),
                }),
                no_estimate: None,
            }),
        }
    }

    fn frame(dns: Option<DnsStatus>, width: u16, height: u16) -> String {
        let seen = Seen {
            link: Link::Up,
            status: Some(Status {
                dns,
                ..fixture::status()
            }),
            entries: Default::default(),
        };
        let mut terminal = Terminal::new(TestBackend::new(width, height)).unwrap();
        let now = clock::now();
        terminal.draw(|frame| draw(frame, &seen, now)).unwrap();
        let text = terminal.backend().to_string();
        let lines = text.lines().map(|line| line.trim_matches('"').trim_end());
        lines.map(|line| format!("{line}\n")).collect()
    }

    #[test]
    fn servers_resolvers_and_arrivals_are_shown_together() {
        let expected = "\
shop  5% on new  baking                                                     live

dns       names lead to new
  servers ns1.example.com. (192.0.2.53:53): shop.example.com. 60 A 198.51.100.1
  asked   9.9.9.9:53: shop.example.com. 41 A 198.51.100.1
  quiet   not yet, and has to be for 6h 0m
          23 requests a minute arrive here; quiet are fewer than 5
          half of them are gone every 4m 0s; fewer than 5 a minute at about
          2026-11-27T00:49:00.000Z, between 2026-11-27T00:48:00.000Z and 2026-
          11-27T00:51:00.000Z
          quiet for long enough at about 2026-11-27T06:49:00.000Z

arriving  requests within each of the last 40 min; 12,000 at most
          ████▄▄▄▄▂▂▂▂▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▏
  within the last of them               requests       clients
    0.0.0.0:443                               23             3
    0.0.0.0:80                                 0             0
  busiest 203.0.113.7 (19)





q quits
";
        assert_eq!(frame(Some(moved()), 80, 24), expected);
    }

    #[test]
    fn a_server_without_names_says_so() {
        let text = frame(None, 60, 8);
        assert!(text.contains("has no [dns]"), "{text}");
    }
}

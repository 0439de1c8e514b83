//! The command line from its arguments to its exit codes, against a server in the same process.

mod server;

use clap::Parser;

use super::{
    arguments::Connect,
    client::{Client, Method},
    command::{Cli, command, run},
    exit::Failure,
    explain::text as explained,
};
use crate::{
    admin::{EventDocument, EventPage, fixture},
    control::{CommandError, Done, Status},
    cutover::{Command, Refusal},
};
use server::Server;

/// The exit code of a command line.
fn code(line: &str) -> u8 {
    let words = ["changeover"].into_iter().chain(line.split(' '));
    let ended = match Cli::try_parse_from(words) {
        Ok(cli) => run(cli.command),
        Err(error) => Err(Failure::Arguments(error)),
    };
    ended.map_or_else(|failure| failure.code(), |()| 0)
}

fn client(server: &Server) -> Client {
    Client::new(&Connect {
        admin: server.url(),
        ..Connect::default()
    })
    .unwrap()
}

#[test]
fn the_description_is_consistent() {
    command().debug_assert();
}

#[test]
fn wrong_arguments_end_with_2_and_help_with_0() {
    let check = |line: &str, expected: u8| assert_eq!(code(line), expected, "{line}");
    check("nonsense", 2);
    check("rollback", 2);
    check("weight 5%", 2);
    check("weight 101 --reason r", 2);
    check("weight 0.001% --reason r", 2);
    check("ramp", 2);
    check("ramp resume", 2);
    check("ramp resume --reason r --step 0", 2);
    check("events --after x", 2);
    check("explain x", 2);
    check("status --admin https://127.0.0.1:9700 --ca /nowhere.pem", 2);
    check("status --client-certificate /nowhere.pem", 2);
    check("status --admin nonsense", 2);
    check("force-token --side north --expires 1h --config x", 2);
    check("force-token --side new --expires soon --config x", 2);
    check(
        "force-token --side new --expires 1h --config /nowhere.toml",
        2,
    );
    check("completions klingon", 2);
    check("--help", 0);
    check("ramp resume --help", 0);
    check("--version", 0);
}

#[test]
fn a_server_that_is_not_there_ends_with_1_and_says_what_to_do() {
    // Port 9 of loopback: bound by nobody on a machine that runs tests.
    let connect = Connect {
        admin: "http://127.0.0.1:9".into(),
        ..Connect::default()
    };
    let asked = Client::new(&connect)
        .unwrap()
        .get::<Status>("/api/v1/status");
    let failure = asked.unwrap_err();
    assert_eq!(failure.code(), 1);
    let text = failure.to_string();
    assert!(text.contains("http://127.0.0.1:9: "), "{text}");
    assert!(
        text.contains("is `changeover serve` running there?"),
        "{text}"
    );
    assert!(text.contains("--admin"), "{text}");
}

#[test]
fn commands_reach_the_control_loop() {
    let server = Server::start(Vec::new());
    let url = server.url();
    let check = |line: &str, expected: Command| {
        assert_eq!(code(&format!("{line} --admin {url}")), 0, "{line}");
        let (command, _) = server.commands.lock().unwrap().pop().unwrap();
        assert_eq!(command, expected, "{line}");
    };
    check("ramp start", Command::Start);
    check("ramp hold --json", Command::Hold);
    check("ramp advance", Command::Advance);
    let reason = || "r".to_owned();
    let resume = |step| Command::Resume {
        reason: reason(),
        step,
    };
    check("ramp resume --reason r", resume(None));
    check("ramp resume --reason r --step 2", resume(Some(1)));
    let weight = Command::SetWeight {
        weight: "33.33%".parse().unwrap(),
        reason: reason(),
    };
    check("weight 33.33% --reason r", weight);
    check(
        "rollback --reason r",
        Command::Rollback { reason: reason() },
    );
    assert_eq!(code(&format!("status --admin {url}")), 0);
    assert_eq!(code(&format!("events --json --admin {url}")), 0);
    assert_eq!(
        code(&format!("explain --admin {url}")),
        1,
        "nothing is explained"
    );
    *server.journal.entries.lock().unwrap() = fixture::entries();
    assert_eq!(code(&format!("explain --admin {url}")), 0);
    assert_eq!(code(&format!("explain 3 --json --admin {url}")), 0);
    assert_eq!(code(&format!("explain 7 --admin {url}")), 1);
}

#[test]
fn an_explanation_says_which_check_and_on_which_numbers() {
    let entries = fixture::entries();
    let expected = "\
entry     6, 2026-03-01T02:00:06.000Z: ROLLED BACK from 25% by errors, 0% on
          new, by plan
why       Everything went back to old from 25% by evidence of status 401: 12 of
          310 requests on new, 0 of 2890 on old within 1.3 s, 11 of 12 requests
          on route checkout; evidence 79000, threshold 64000.
check     evidence:401
since     2026-03-01T02:00:04.700Z, 1.3 s before
old       2,890 requests, 0 against it
new       310 requests, 12 against it
evidence  10^4.90, threshold 10^4.81
route     checkout: 11 of 64 on new, 0 of 600 on old
";
    assert_eq!(explained(&EventDocument::from(&entries[5])), expected);
    let unexplained = explained(&EventDocument::from(&entries[2]));
    assert!(
        unexplained.contains("why       step 1 baked\n"),
        "{unexplained}"
    );
}

#[test]
fn refusals_end_with_3() {
    let server = Server::start(Vec::new());
    *server.answer.lock().unwrap() = Err(CommandError::Refused(Refusal::Overtaken));
    let url = server.url();
    assert_eq!(code(&format!("ramp hold --admin {url}")), 3);
    assert_eq!(code(&format!("weight 5 --reason r --admin {url}")), 3);
    let too_far = format!("ramp resume --reason r --step 9 --admin {url}");
    assert_eq!(code(&too_far), 2);
    let sent = client(&server).send::<Done>(Method::Post, "/api/v1/ramp/hold", &());
    assert_eq!(sent.unwrap_err().code(), 2, "a body that is no object");
}

#[test]
fn a_missing_token_is_a_refusal_that_names_the_variable() {
    let server = Server::start(fixture::operators());
    let asked = client(&server).get::<Status>("/api/v1/status");
    let failure = asked.unwrap_err();
    assert_eq!(failure.code(), 3);
    assert!(failure.to_string().contains("CHANGEOVER_TOKEN"));
}

#[test]
fn an_answer_that_is_not_ours_is_told_apart() {
    let server = Server::start(Vec::new());
    let asked = client(&server).get::<EventPage>("/api/v1/status");
    let failure = asked.unwrap_err();
    assert_eq!(failure.code(), 1);
    let text = failure.to_string();
    assert!(text.contains("cannot understand the answer"), "{text}");
}

#[test]
fn following_replays_and_goes_on() {
    let server = Server::start(Vec::new());
    *server.journal.entries.lock().unwrap() = fixture::entries();
    let mut entries = client(&server).follow(2).unwrap();
    for number in 3..=6 {
        let entry: EventDocument = entries.next().unwrap().unwrap();
        assert_eq!(entry.seq, number);
    }
    drop(server);
    assert!(entries.next().unwrap().is_none(), "the server has ended");
}

#[test]
fn the_status_fits_80_columns() {
    let mut status = fixture::status();
    status.warnings = vec!["a very long warning ".repeat(20), "w".repeat(200)];
    status.triggers[0].name = "n".repeat(64);
    status.sides.new.endpoints[0].address = "a".repeat(200);
    status.ramp.reason = Some("\u{1b}[2Jcleared".into());
    let text = super::status::shown(&status);
    for line in text.lines() {
        assert!(line.chars().count() <= 80, "{line}");
    }
    assert!(!text.contains('\u{1b}'));
}

#[test]
fn the_status_shows_both_sides_and_every_trigger() {
    let expected = "\
name      shop, phase validate, generation 7
weight    5% on new, 11% of requests are; the busiest 3 clients make 40%
ramp      baking, step 2 of 5, for 3m 0s
          [##################------------] 2m 1s of bake left
          480 of 1,000 requests on new
          520 more without an error, about 1m 5s
          takes about 5m 0s in all; new failing 0.41% would be noticed
waits for bake: 2 m left
          requests: 480 of 1000
warning   one endpoint of old is ejected
drains    process 4700 of version 0.0.9, which process 4711 took over from
rollback  trigger:errors 3m 0s ago, 412 ms to react
          Everything went back to old from 25% by trigger errors.

                                    old              new
last 10 s
  requests                      240.5/s          240.5/s
  errors                          1.43%            1.43%
  latency p50                   4.20 ms          4.20 ms
          p90                   11.0 ms          11.0 ms
          p99                   38.4 ms          38.4 ms
          p99.9                  120 ms           120 ms
now
  in flight                          12               12
  tunnels                             3                3
since start
  requests                       41,020            2,159
  errors                              3               31
  failed over to old                  1                1
  forced                              2                2
  pinned                              5                5
  kept                                0                0

old http://10.0.0.5:8080                 usable    4 in flight, 41,020 requests
old http://10.0.0.6:8080                 usable    4 in flight, 41,020 requests
new https://203.0.113.9:443              usable    4 in flight, 2,159 requests

errors                 error_rate         1.43% of 2%               clear
slower than old        latency_p99        38.4 ms of 30.6 ms        BREACH
unreachable            connect_failures   - of 5                    unknown

evidence  errors: 2 clients in 310 requests on new, 0 in 2890 on old; evidence
          18, threshold 4000
before    52,000 requests on old, 0.08% errors; slow is 61.5 ms on new
data      shop forward: 0.02 s behind, 0.50 s at most in the last minute, its
          WAL lasts for 2h 0m
gates     above 5%: forward lag of shop below 1 s: 2m 50s of 1d 0h observed
          since 2026-03-01T02:00:00.000Z
          satisfied at the earliest at 2026-03-02T02:00:10.000Z
          10s not observed, in one gap
          broken at 2026-03-01T02:00:00.000Z: lag 1.4 s
copies    430 to new, 415 to old, 3 dropped: 1 place differs beyond noise
          catalog: json /items/*/price differs in 212 of 430 copies to new, and
          in none of 415 to old

64 connections, 2 rejected, journal entry 9, store writable
";
    assert_eq!(super::status::shown(&fixture::status()), expected);
}

//! `changeover events`: the journal, and how it grows.

mod line;

use std::{thread, time::Duration};

use clap::Args;

use crate::{
    admin::{EventDocument, EventPage},
    cli::{
        arguments::Connect,
        client::{Client, Entries},
        exit::Failure,
        output,
    },
};

pub(crate) use line::{line, what, who};

/// Between two attempts to follow again.
const RETRY_PAUSE: Duration = Duration::from_secs(1);

/// Show the journal: every change, with who, why and when
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// Go on with new entries as they come
    #[arg(long)]
    follow: bool,
    /// Only entries after this number
    #[arg(long, value_name = "SEQ", default_value_t = 0)]
    after: u64,
    #[command(flatten)]
    connect: Connect,
    #[command(flatten)]
    show: JsonLines,
}

/// How entries are shown.
#[derive(Clone, Copy, Debug, Args)]
struct JsonLines {
    /// Print JSON, one entry a line
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(arguments: &Arguments) -> Result<(), Failure> {
    let client = Client::new(&arguments.connect)?;
    let last = pages(&client, arguments)?;
    match arguments.follow {
        true => follow(&client, arguments, last),
        false => Ok(()),
    }
}

/// Prints what is there; returns the number of the last entry.
fn pages(client: &Client, arguments: &Arguments) -> Result<u64, Failure> {
    let mut after = arguments.after;
    loop {
        let (_, page): (String, EventPage) =
            client.get(&format!("/api/v1/events?after={after}"))?;
        let mut text = String::new();
        for entry in &page.events {
            text.push_str(&shown(entry, arguments));
        }
        output::print(&text)?;
        if page.events.is_empty() || page.next <= after {
            return Ok(after);
        }
        after = page.next;
    }
}

/// Prints what comes, over as many connections as it takes.
fn follow(client: &Client, arguments: &Arguments, mut last: u64) -> Result<(), Failure> {
    let mut entries = client.follow(last)?;
    loop {
        while let Some(entry) = entries.next()? {
            last = entry.seq;
            output::print(&shown(&entry, arguments))?;
        }
        entries = again(client, last)?;
    }
}

/// Follows again once the server is back; a refusal ends it, since it will not change by itself.
fn again(client: &Client, last: u64) -> Result<Entries, Failure> {
    output::complain("the connection was lost; trying again");
    loop {
        #[expect(
            clippy::disallowed_methods,
            reason = "this thread has nothing else to do"
        )]
        thread::sleep(RETRY_PAUSE);
        match client.follow(last) {
            Err(Failure::Failed(_)) => {}
            other => return other,
        }
    }
}

fn shown(entry: &EventDocument, arguments: &Arguments) -> String {
    let text = match arguments.show.json {
        true => serde_json::to_string(entry).expect("an entry's numbers and strings are JSON"),
        false => line(entry),
    };
    text + "\n"
}

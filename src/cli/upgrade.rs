//! `changeover upgrade`: another process takes over from the server.

use std::time::Duration;

use clap::Args;
use serde::Serialize;

use crate::{
    admin::Upgraded,
    cli::{
        arguments::{Connect, Show},
        client::{Client, Method},
        exit::Failure,
        output,
    },
};

/// Have the server's program started anew and take over, without a lost connection
#[derive(Debug, Args)]
#[command(
    after_help = "The file of the running program is started again, with its arguments: put the new version there first. \
    If it does not get ready the running one goes on."
)]
pub(crate) struct Arguments {
    #[command(flatten)]
    connect: Connect,
    #[command(flatten)]
    show: Show,
}

/// The server answers within 45 s.
const UPGRADE_TIMEOUT: Duration = Duration::from_secs(60);

#[derive(Serialize)]
struct NoFields {}

pub(crate) fn run(arguments: &Arguments) -> Result<(), Failure> {
    let client = Client::new(&arguments.connect)?;
    let answer = client.send_within(
        Method::Post,
        "/api/v1/upgrade",
        &NoFields {},
        UPGRADE_TIMEOUT,
    );
    let (text, upgraded): (String, Upgraded) = answer?;
    if arguments.show.json {
        return output::print(&format!("{}\n", text.trim_end()));
    }
    let pid = upgraded.pid;
    output::print(&format!(
        "process {pid} has taken over; the one before drains\n"
    ))
}

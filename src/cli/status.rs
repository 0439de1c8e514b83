//! `changeover status`: where the cutover stands.

pub(crate) mod text;

use clap::Args;

use crate::{
    cli::{
        arguments::{Connect, Show},
        client::Client,
        exit::Failure,
        output,
    },
    control::Status,
};

#[cfg(test)]
pub(crate) use text::text as shown;

/// Show where the cutover stands
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    #[command(flatten)]
    connect: Connect,
    #[command(flatten)]
    show: Show,
}

pub(crate) fn run(arguments: &Arguments) -> Result<(), Failure> {
    let client = Client::new(&arguments.connect)?;
    let (json, status): (String, Status) = client.get("/api/v1/status")?;
    match arguments.show.json {
        true => output::print(&format!("{}\n", json.trim_end())),
        false => output::print(&text::text(&status)),
    }
}

//! `changeover reload`: the server reads its configuration again.

use clap::Args;
use serde::Serialize;

use crate::{
    admin::Reloaded,
    cli::{
        arguments::{Connect, Show},
        client::{Client, Method},
        exit::Failure,
        output,
    },
};

/// Have the server read its configuration and certificates again
#[derive(Debug, Args)]
#[command(
    after_help = "The file is the one that the server was started with. A file that is wrong changes nothing."
)]
pub(crate) struct Arguments {
    #[command(flatten)]
    connect: Connect,
    #[command(flatten)]
    show: Show,
}

#[derive(Serialize)]
struct NoFields {}

pub(crate) fn run(arguments: &Arguments) -> Result<(), Failure> {
    let client = Client::new(&arguments.connect)?;
    let answer = client.send(Method::Post, "/api/v1/reload", &NoFields {});
    let (text, reloaded): (String, Reloaded) = answer?;
    if arguments.show.json {
        return output::print(&format!("{}\n", text.trim_end()));
    }
    let mut lines = vec![match reloaded.changes.is_empty() {
        true => "reloaded: certificates were read again, nothing else changed".to_owned(),
        false => format!("reloaded (generation {} stays):", reloaded.generation),
    }];
    lines.extend(reloaded.changes.iter().map(|it| format!("  {it}")));
    lines.extend(reloaded.warnings.iter().map(|it| format!("warning: {it}")));
    if !reloaded.recorded {
        lines.push("not recorded yet: the journal cannot be written".to_owned());
    }
    let printable = lines.iter().map(|it| output::printable(it));
    output::print(&printable.map(|it| it + "\n").collect::<String>())
}

//! Commands to the server, and what is said when they were carried out.

use serde::Serialize;

use crate::{
    cli::{
        arguments::{Connect, Show},
        client::{Client, Method},
        exit::Failure,
        output,
    },
    control::Done,
};

/// Sends a command and prints what came of it: JSON, or `what` with the generation in force.
pub(crate) fn order(
    (connect, show): (&Connect, Show),
    (method, path): (Method, &str),
    body: &impl Serialize,
    what: &str,
) -> Result<(), Failure> {
    let client = Client::new(connect)?;
    let (text, done): (String, Done) = client.send(method, path, body)?;
    if show.json {
        return output::print(&format!("{}\n", text.trim_end()));
    }
    let unrecorded = match done.recorded {
        true => "",
        false => "; not recorded yet: the journal cannot be written",
    };
    let generation = done.generation;
    output::print(&format!("{what} (generation {generation}{unrecorded})\n"))
}

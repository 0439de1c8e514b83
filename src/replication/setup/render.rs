//! Steps as a script that people read, and give to `psql` piece by piece.

use crate::{
    replication::setup::{Moment, Step, sql},
    units::{PerSide, Side},
};

const WIDTH: usize = 98;

/// The whole script. It is no file to be run at once: moments and sides lie in between.
pub(crate) fn script(steps: &[Step], databases: PerSide<&str>, versions: PerSide<u32>) -> String {
    let mut lines = Vec::new();
    for side in Side::ALL {
        let (database, version) = (databases[side], versions[side]);
        lines.push(format!("-- {side}: {database}, version {version}"));
    }
    let header = format!(
        "For psql, step by step, as a superuser or the owner of the tables. {} is to be replaced; \
        addresses and files are to be as the servers see them. Undo from the last step to the first.",
        sql::PASSWORD
    );
    comment(&mut lines, &header);
    let mut moment = None;
    for (number, step) in steps.iter().enumerate() {
        if moment != Some(step.moment) {
            moment = Some(step.moment);
            let heading = match step.moment {
                Moment::Now => "NOW",
                Moment::OnceCopied => "ONCE EVERY TABLE IS COPIED (`replication check` says so)",
                Moment::AtCutover => "AT THE CUTOVER, WITH WRITES HELD; then let new take them",
            };
            lines.push(format!("\n-- ==== {heading}"));
        }
        lines.push(format!(
            "\n-- {}. on {}: {}",
            number + 1,
            step.side,
            step.title
        ));
        comment(&mut lines, step.why);
        lines.push(step.sql.to_string());
        if let Some(undo) = &step.undo {
            comment(&mut lines, &format!("undo: {undo}"));
        }
    }
    lines.push(String::new());
    lines.join("\n")
}

fn comment(lines: &mut Vec<String>, comment: &str) {
    for line in textwrap::wrap(comment, WIDTH - 3) {
        lines.push(format!("-- {line}"));
    }
}

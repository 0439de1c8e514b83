//! Values that are written as text: durations, sizes, shares, addresses, windows.
//!
//! Each function takes the text and gives the value or a complaint; none knows where the text stands, so arguments
//! of the command line are read by the same ones.

mod address;
mod api;
mod database;
mod domain;
mod duration;
mod host;
mod quiet;
mod share;
mod size;
mod tolerance;
mod window;

pub(super) use address::{ADDRESS, URL, address, endpoint, network};
pub(super) use api::{API, api};
pub(super) use database::{DATABASE, DatabaseUrl, database};
pub(super) use domain::{DOMAIN, domain};
pub(super) use duration::{DURATION, duration, shown_duration};
pub(super) use host::{HOST, header_name, host, host_and_port, host_as_sent};
pub(super) use quiet::{QUIET, quiet, shown_quiet};
pub(super) use share::{
    CHANCE, FACTOR, SHARE, WEIGHT, chance, factor, share, share_within, weight,
};
pub(super) use size::{SIZE, shown_size, size};
pub(super) use tolerance::{TOLERANCE, shown_tolerance, tolerance};
pub(super) use window::{WINDOW, same_zone, shown_window, window};

use super::fault::Complaint;

/// A text as a fault shows it: quoted, escaped, and cut where it is long.
pub(super) fn quoted(text: &str) -> String {
    const LONGEST: usize = 60;
    match text.char_indices().nth(LONGEST) {
        None => format!("{text:?}"),
        Some((end, _)) => format!("{:?}…", text.get(..end).unwrap_or_default()),
    }
}

/// A name for people: 1 to 64 printable characters, none of them a space at either end.
pub(super) fn name(text: &str) -> Result<String, Complaint> {
    const LONGEST: usize = 64;
    let length = text.chars().count();
    if length == 0 || length > LONGEST {
        let found = format!("{} ({length} characters)", quoted(text));
        return Err(Complaint::new(found, "1 to 64 characters"));
    }
    if text.chars().any(char::is_control) || text.trim() != text {
        let expected = "printable characters without spaces around them";
        return Err(Complaint::new(quoted(text), expected));
    }
    Ok(text.to_owned())
}

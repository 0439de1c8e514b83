//! Aliases: those that are served, and those that names become.

use super::{Case, Fault};
use crate::dns::look::{
    authority::plain,
    chain::{Chain, ChainEnd},
};

pub(super) fn lead_somewhere(case: &Case<'_>) -> Vec<Fault> {
    let served = case.seen.chains.iter().filter_map(|chain| {
        let remedy = "put it right in the zone that holds it";
        fault(chain, remedy)
    });
    let targets = case.seen.targets.iter().filter_map(|chain| {
        let remedy = "give it an address before a name is moved to it";
        fault(chain, remedy)
    });
    served.chain(targets).collect()
}

fn fault(chain: &Chain, remedy: &str) -> Option<Fault> {
    let trouble = trouble(&chain.end)?;
    let fault = match chain.end {
        ChainEnd::Unknown { .. } => Fault::warn(trouble, remedy),
        ChainEnd::Nothing(_) | ChainEnd::Addresses(_) => Fault::fail(trouble, remedy),
    };
    Some(fault.about(plain(&chain.name)))
}

/// Why aliases end without an address.
pub(super) fn trouble(end: &ChainEnd) -> Option<String> {
    match end {
        ChainEnd::Addresses(_) => None,
        ChainEnd::Nothing(name) => {
            Some(format!("it ends at {}, which has no address", plain(name)))
        }
        ChainEnd::Unknown { why } => Some(format!("where it ends is not known: {why}")),
    }
}

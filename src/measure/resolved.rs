//! What an endpoint's name stands for, as the resolver said last.

use std::net::IpAddr;

use crate::units::Timestamp;

/// The addresses of one name. While it cannot be resolved, the last ones are kept: a resolver that is away must not take
/// an environment along that works.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Resolved {
    /// The addresses, in the order in which they are tried; empty before the first answer.
    pub addresses: Vec<IpAddr>,
    /// Why it cannot be resolved now.
    pub failure: Option<NameFailure>,
}

/// Why a name cannot be resolved.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NameFailure {
    /// Since when.
    pub since: Timestamp,
    /// What the resolver said.
    pub reason: String,
}

impl Resolved {
    /// Whether an address of `earlier` is none any more: connections to it lead to where the name does not.
    #[must_use]
    pub fn withdraws_from(&self, earlier: &Self) -> bool {
        let is_gone = |it: &IpAddr| !self.addresses.contains(it);
        earlier.addresses.iter().any(is_gone)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_an_address_that_is_gone_withdraws() {
        let of = |last: &[u8]| Resolved {
            addresses: last.iter().map(|it| [10, 0, 0, *it].into()).collect(),
            failure: None,
        };
        let check = |earlier: &[u8], now: &[u8], withdraws| {
            assert_eq!(of(now).withdraws_from(&of(earlier)), withdraws);
        };
        check(&[], &[1], false);
        check(&[1], &[1, 2], false);
        check(&[1, 2], &[2, 1], false);
        check(&[1, 2], &[2], true);
        check(&[1], &[2], true);
    }
}

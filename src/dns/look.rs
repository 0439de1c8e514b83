//! What servers say: each authoritative server of a zone by itself, and resolvers beside them.
//!
//! - [`servers`] walks from the start servers down the delegations to every address of the zone's own servers. Names of
//!   servers change rarely, so that a watch walks now and then only.
//! - [`ask`] asks each of them for record sets, all at once, and [`ServerView::compare`] holds what one says against what is
//!   expected. It is cheap enough for once a second.
//! - [`ask_resolvers`] asks those who keep answers.
//! - [`look`] asks for everything that matters before a move, and [`report()`] says what of it stands in the way.
//!
//! Nothing is kept between two calls, and nobody's cache is believed about what a zone holds.

mod authority;
mod chain;
mod exchange;
mod report;
mod root;
mod seen;
mod view;
mod walk;

pub(super) use self::view::held;
pub use self::{
    authority::{Authorities, NamedBy, Server},
    chain::{Chain, ChainEnd},
    exchange::Unanswered,
    report::{
        ChainReport, DnssecReport, NameReport, Report, ResolverReport, ServerReport, SetReport,
        Standing, report,
    },
    seen::{Seen, ServerSeen, look},
    view::{
        Answers, Comparison, Difference, ResolverView, ServerView, Signature, ask, ask_resolvers,
    },
    walk::{LookError, servers},
};
pub use crate::units::finding::{Answer, Finding};

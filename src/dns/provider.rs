//! Where a zone is changed, and what came of it.
//!
//! Each kind of provider has a module of its own beside this one. A provider is asked two things:
//!
//! - `validate(change)`: whether the change could be made now, without making it.
//! - `apply(change)`: make it, all of it at once or nothing, provided that what is there is [`Change::before`] of it.
//!
//! A secret never appears in an error.

mod api;
mod cloudflare;
mod exec;
mod manual;
mod powerdns;
mod rfc2136;
mod route53;
mod standing;

use std::time::Duration;

use thiserror::Error;

pub use self::{
    cloudflare::Cloudflare, exec::Exec, manual::Manual, powerdns::PowerDns, rfc2136::Rfc2136,
    route53::Route53,
};
use crate::plan::dns::{Change, ProviderPlan, RecordSet};

/// Where a zone is changed.
#[derive(Clone, Debug)]
pub enum Provider {
    /// A name server that takes signed updates.
    Rfc2136(Rfc2136),
    /// A PowerDNS with its HTTP API.
    PowerDns(PowerDns),
    /// Cloudflare.
    Cloudflare(Cloudflare),
    /// Route 53.
    Route53(Route53),
    /// A program of the user's.
    Exec(Exec),
    /// Somebody makes each change by hand.
    Manual(Manual),
}

/// How safe a provider's way to change is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Guarantee {
    /// Whether the provider itself compares what is there before it changes it.
    pub compares: Compares,
    /// Whether all sets of a change come into force together.
    pub is_atomic: bool,
}

/// Who sees to it that nobody else's change is overwritten.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Compares {
    /// The provider, with values and TTL, within the change itself.
    ValuesAndTtl,
    /// The provider, with values only: another TTL does not stop it.
    Values,
    /// We: read, change, and read back. A change within a moment of ours can be lost.
    BeforeAndAfter,
    /// Whoever makes the change, if at all: nothing is known of how that is done.
    NotKnown,
}

/// What a change that could be tried out without making it came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Validation {
    /// It would be made now.
    Held,
    /// This provider has no way to try it.
    NotOffered,
}

/// What became of a change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Applied {
    /// The provider has made it; its servers may still be on their way.
    Done,
    /// The provider has made it, and says that not all of its servers have it yet. Where one address stands for servers in many
    /// places, only the provider sees those that are far away.
    Spreading {
        /// What it says, in words for the operator.
        until: String,
    },
    /// It is on its way, or somebody else has to make it.
    Pending {
        /// What to wait for, in words for the operator.
        until: String,
    },
}

/// Why nothing was changed, or why that is not known.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum ProviderError {
    /// Somebody else has changed it; nothing was done. `found` is empty where the provider does not say.
    #[error("the zone holds something other than expected")]
    Conflict {
        /// What had to be there.
        expected: Vec<RecordSet>,
        /// What is there.
        found: Vec<RecordSet>,
    },
    /// The provider does not do it; nothing was done.
    #[error("the provider refused: {why}")]
    Refused {
        /// What it said.
        why: String,
    },
    /// The key or token is not the right one; nothing was done.
    #[error("the provider does not accept the key or token")]
    Unauthorized,
    /// Too many questions; nothing was done.
    #[error("the provider asks to wait")]
    RateLimited {
        /// For how long, if it says so.
        retry_after: Option<Duration>,
    },
    /// No answer that says what happened: it may have been done. Look before anything else.
    #[error("what became of the change is not known: {why}")]
    Unknown {
        /// What happened instead of an answer.
        why: String,
    },
    /// The change cannot be put to this provider at all.
    #[error("the change is not one for this provider: {why}")]
    Invalid {
        /// Why not.
        why: String,
    },
}

impl Provider {
    /// The one that the plan names; talks to nobody yet.
    #[must_use]
    pub fn new(plan: &ProviderPlan) -> Self {
        match plan {
            ProviderPlan::Rfc2136(it) => Self::Rfc2136(Rfc2136::new(it.clone())),
            ProviderPlan::PowerDns(it) => Self::PowerDns(PowerDns::new(it.clone())),
            ProviderPlan::Cloudflare(it) => Self::Cloudflare(Cloudflare::new(it.clone())),
            ProviderPlan::Route53(it) => Self::Route53(Route53::new(it.clone())),
            ProviderPlan::Exec(it) => Self::Exec(Exec::new(it.clone())),
            ProviderPlan::Manual => Self::Manual(Manual),
        }
    }

    /// Whether the change would be made now; changes nothing.
    ///
    /// # Errors
    /// Why it would not be made.
    pub async fn validate(&self, change: &Change) -> Result<Validation, ProviderError> {
        match self {
            Self::Rfc2136(it) => it.validate(change).await,
            Self::PowerDns(it) => it.validate(change).await,
            Self::Cloudflare(it) => it.validate(change).await,
            Self::Route53(it) => it.validate(change).await,
            Self::Exec(it) => it.validate(change).await,
            Self::Manual(_) => Ok(Validation::NotOffered),
        }
    }

    /// Makes the change, all of it or nothing, provided that what is there is [`Change::before`] of it.
    ///
    /// # Errors
    /// Why nothing was changed; after [`ProviderError::Unknown`], look what is there.
    pub async fn apply(&self, change: &Change) -> Result<Applied, ProviderError> {
        match self {
            Self::Rfc2136(it) => it.apply(change).await,
            Self::PowerDns(it) => it.apply(change).await,
            Self::Cloudflare(it) => it.apply(change).await,
            Self::Route53(it) => it.apply(change).await,
            Self::Exec(it) => it.apply(change).await,
            Self::Manual(it) => Ok(it.apply(change)),
        }
    }

    /// How safe its way to change is.
    #[must_use]
    pub const fn guarantee(&self) -> Guarantee {
        match self {
            Self::Rfc2136(_) => Rfc2136::GUARANTEE,
            Self::PowerDns(_) => PowerDns::GUARANTEE,
            Self::Cloudflare(_) => Cloudflare::GUARANTEE,
            Self::Route53(_) => Route53::GUARANTEE,
            Self::Exec(_) => Exec::GUARANTEE,
            Self::Manual(_) => Manual::GUARANTEE,
        }
    }
}

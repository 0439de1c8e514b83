//! Route 53 by its API: one batch deletes what has to be there and creates what is to be there, and Route 53 does all of it or
//! nothing. A set that is not just as expected, TTL and all, makes it refuse the batch, so nothing of anybody's is overwritten.
//!
//! The sets are read before, for three reasons: to say what is there where it is something else, to delete them as Route 53 writes
//! them, and to see those that are more than records. An alias, one of several sets of which Route 53 chooses, and what a health
//! check decides about are left alone. Sets that stay are compared by reading alone, and not touched.
//!
//! Each address of a zone's servers stands for servers in many places, and a watch sees the nearest. Only Route 53 knows when all of
//! them have a change, so it is asked that until they have.

mod batch;
mod client;
mod complaint;
mod document;
mod listing;
mod name;
mod records;
mod signature;

use std::sync::Arc;

use arc_swap::ArcSwapOption;
use http::Method;

use self::{
    batch::Batch,
    client::{Client, Fault, strange},
    document::{ChangeInfo, Document, Status},
    listing::held,
};
use crate::{
    dns::provider::{
        Applied, Compares, Guarantee, ProviderError, Validation, api::words, standing::Standing,
    },
    plan::dns::{Change, Route53Plan},
};

/// So many times in a row it may not say how far a change has come before nobody asks any more, and what the servers in sight say
/// has to do. The change is made already.
const UNANSWERED_MAX: u32 = 6;

/// A hosted zone at Route 53.
#[derive(Clone, Debug)]
pub struct Route53 {
    client: Client,
    /// The change that was made last, until all servers have it.
    made: Arc<ArcSwapOption<Made>>,
}

/// A change that Route 53 has accepted.
#[derive(Clone, Debug)]
struct Made {
    change: Change,
    /// What Route 53 calls it.
    id: String,
    /// How many times in a row it did not say how far it has come.
    unanswered: u32,
}

impl Route53 {
    /// A set is deleted only as it was given, and created only where there is none; a batch is one transaction.
    pub const GUARANTEE: Guarantee = Guarantee {
        compares: Compares::ValuesAndTtl,
        is_atomic: true,
    };

    /// Calls nobody yet.
    #[must_use]
    pub fn new(plan: Route53Plan) -> Self {
        Self {
            client: Client::new(plan),
            made: Arc::default(),
        }
    }

    /// Compares what is there; whether Route 53 would take the change is not known.
    ///
    /// # Errors
    /// [`ProviderError`].
    pub async fn validate(&self, change: &Change) -> Result<Validation, ProviderError> {
        batch::check(change)?;
        let held = held(&self.client, change).await?;
        Standing::of(change, records::sets(&held)).map(|_either| Validation::NotOffered)
    }

    /// Makes the change, or says how far it has come since it was made.
    ///
    /// # Errors
    /// [`ProviderError`]. There is none once Route 53 has accepted the change.
    pub async fn apply(&self, change: &Change) -> Result<Applied, ProviderError> {
        match self.made.swap(None) {
            Some(made) if made.change == *change => return Ok(self.followed(&made).await),
            Some(_) | None => (),
        }
        batch::check(change)?;
        let held = held(&self.client, change).await?;
        if Standing::of(change, records::sets(&held))? == Standing::After {
            return Ok(Applied::Done);
        }
        let path = self.client.zone_path();
        let body = Batch::of(change, &held)?.document()?;
        match self.client.call(Method::POST, path, body).await {
            Ok(Document::ChangeResourceRecordSetsResponse(made)) => {
                Ok(self.accepted(change, &made.change_info))
            }
            Ok(_other) => Err(strange(&Method::POST, "it answered something else")),
            Err(Fault::Declined(said)) => self.declined(change, &said).await,
            Err(Fault::Other(error)) => Err(error),
        }
    }

    /// Route 53 has made the change.
    fn accepted(&self, change: &Change, info: &ChangeInfo) -> Applied {
        let (Status::Pending, Some(id)) = (info.status, info.id()) else {
            return Applied::Done;
        };
        self.made.store(Some(Arc::new(Made {
            change: change.clone(),
            id: id.to_owned(),
            unanswered: 0,
        })));
        spreading(id)
    }

    /// Route 53 has not made the change, and does not say what is there instead. It may be this very change, of an attempt whose
    /// answer was lost.
    async fn declined(&self, change: &Change, said: &str) -> Result<Applied, ProviderError> {
        let refused = |why: String| Err(ProviderError::Refused { why });
        let said = words(said);
        let held = match held(&self.client, change).await {
            Ok(held) => held,
            Err(error) => {
                return refused(format!(
                    "{said}; what is there cannot be read again: {error}"
                ));
            }
        };
        match Standing::of(change, records::sets(&held))? {
            Standing::After => Ok(Applied::Done),
            Standing::Before => refused(format!("{said}, though what is there is as expected")),
        }
    }

    /// How far a change has come that was made. It is made whatever is answered here.
    async fn followed(&self, made: &Made) -> Applied {
        let path = format!("/change/{}", made.id);
        let answered = match self.client.call(Method::GET, path, String::new()).await {
            Ok(Document::GetChangeResponse(it)) => Ok(it.change_info.status),
            Ok(_other) => Err(strange(&Method::GET, "it answered something else")),
            Err(fault) => Err(fault.into()),
        };
        let unanswered = match &answered {
            Ok(Status::InSync) => return Applied::Done,
            Ok(Status::Pending) => 0,
            Err(_) => made.unanswered + 1,
        };
        if unanswered >= UNANSWERED_MAX {
            return Applied::Done;
        }
        self.made.store(Some(Arc::new(Made {
            unanswered,
            ..made.clone()
        })));
        match answered {
            Ok(_pending) => spreading(&made.id),
            Err(error) => Applied::Spreading {
                until: format!(
                    "Route 53 has made the change {}, and does not say whether all of its servers have it: {error}",
                    made.id
                ),
            },
        }
    }
}

fn spreading(id: &str) -> Applied {
    Applied::Spreading {
        until: format!("Route 53 has made the change {id}, and not all of its servers have it yet"),
    }
}

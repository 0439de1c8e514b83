//! Cloudflare by its API: one batch changes all records or none, though not every one of its servers at the same moment.
//!
//! Cloudflare compares nothing, so the records are read before and after. A record that stays with another TTL is changed where it is,
//! so that it keeps its id, comment and tags. A proxied record is left alone: clients never see what it holds.

mod records;

use std::collections::BTreeSet;

use hickory_resolver::proto::rr::Name;
use http::{
    HeaderValue, Method,
    header::{AUTHORIZATION, CONTENT_TYPE},
};
use serde::{Deserialize, de::DeserializeOwned};

use self::records::{Batch, Held, Record};
use crate::{
    dns::provider::{
        Applied, Compares, Guarantee, ProviderError, Validation,
        api::{self, Answer, Call, escaped, sensitive, words},
        standing::{Standing, hold_to_after},
    },
    plan::dns::{Change, CloudflarePlan},
};

/// Records on one page; a name has far fewer.
const PAGE_RECORDS: usize = 100;

/// No name has so many records that this would not do.
const PAGES_MAX: usize = 50;

/// The codes for a token that is none, is malformed, or may not do this.
const UNAUTHORIZED: [u32; 5] = [6003, 6111, 9106, 9109, 10000];

/// A zone at Cloudflare.
#[derive(Clone, Debug)]
pub struct Cloudflare {
    plan: CloudflarePlan,
}

impl Cloudflare {
    /// One batch is one transaction of Cloudflare's database; its servers take it over on their own.
    pub const GUARANTEE: Guarantee = Guarantee {
        compares: Compares::BeforeAndAfter,
        is_atomic: true,
    };

    /// Calls nobody yet.
    #[must_use]
    pub const fn new(plan: CloudflarePlan) -> Self {
        Self { plan }
    }

    /// Compares what is there; whether Cloudflare would take the change is not known.
    ///
    /// # Errors
    /// [`ProviderError`].
    pub async fn validate(&self, change: &Change) -> Result<Validation, ProviderError> {
        records::check(change)?;
        let held = self.held(change).await?;
        Standing::of(change, records::sets(&held)).map(|_either| Validation::NotOffered)
    }

    /// Makes the change.
    ///
    /// # Errors
    /// [`ProviderError`].
    pub async fn apply(&self, change: &Change) -> Result<Applied, ProviderError> {
        records::check(change)?;
        let held = self.held(change).await?;
        if Standing::of(change, records::sets(&held))? == Standing::After {
            return Ok(Applied::Done);
        }
        let body = serde_json::to_string(&Batch::of(change, &held));
        let body = body.map_err(|error| ProviderError::Invalid {
            why: error.to_string(),
        })?;
        let answer = api::send(&self.plan.api, self.call(Method::POST, "/batch", body)?).await?;
        read::<serde::de::IgnoredAny>(&answer).map_err(|fault| match fault {
            Fault::Said(error) => error,
            Fault::Strange(why) => ProviderError::Unknown { why },
        })?;
        let read_back = self.held(change).await;
        hold_to_after(change, read_back.map(|held| records::sets(&held)))?;
        Ok(Applied::Done)
    }

    /// All records of the change's names and kinds.
    async fn held(&self, change: &Change) -> Result<Vec<Held>, ProviderError> {
        let subjects = change.subjects();
        let names: BTreeSet<&Name> = subjects.iter().map(|(name, _)| name).collect();
        let mut held = Vec::new();
        for name in names {
            for record in self.records(name).await? {
                held.extend(record.read(&subjects)?);
            }
        }
        Ok(held)
    }

    async fn records(&self, name: &Name) -> Result<Vec<Record>, ProviderError> {
        let escaped = escaped(name, '%');
        let name = escaped.trim_end_matches('.');
        let mut records = Vec::new();
        for page in 1..=PAGES_MAX {
            let query = format!("?name.exact={name}&page={page}&per_page={PAGE_RECORDS}");
            let call = self.call(Method::GET, &query, String::new())?;
            let answer = api::send(&self.plan.api, call).await?;
            let document = read::<Vec<Record>>(&answer).map_err(|fault| match fault {
                Fault::Said(error) => error,
                Fault::Strange(why) => ProviderError::Refused { why },
            })?;
            records.extend(document.result.into_iter().flatten());
            let pages = document.result_info.map_or(1, |it| it.total_pages);
            if page >= pages {
                return Ok(records);
            }
        }
        Err(ProviderError::Refused {
            why: format!("{name} has more than {PAGES_MAX} pages of records; is that its name?"),
        })
    }

    fn call(&self, method: Method, rest: &str, body: String) -> Result<Call, ProviderError> {
        let token = [b"Bearer ", self.plan.token.expose()].concat();
        let json = HeaderValue::from_static("application/json");
        let zone = &self.plan.zone_id;
        Ok(Call {
            method,
            path: format!("/client/v4/zones/{zone}/dns_records{rest}"),
            headers: vec![(AUTHORIZATION, sensitive(&token)?), (CONTENT_TYPE, json)],
            body,
        })
    }
}

/// What every answer is wrapped in.
#[derive(Deserialize)]
struct Document<T> {
    success: bool,
    #[serde(default)]
    errors: Vec<Complaint>,
    result: Option<T>,
    result_info: Option<Pages>,
}

#[derive(Deserialize)]
struct Complaint {
    code: u32,
    message: String,
}

#[derive(Deserialize)]
struct Pages {
    total_pages: usize,
}

/// Why there is no result.
enum Fault {
    /// Cloudflare did nothing, and says why.
    Said(ProviderError),
    /// The answer is not Cloudflare's.
    Strange(String),
}

fn read<T: DeserializeOwned>(answer: &Answer) -> Result<Document<T>, Fault> {
    let status = answer.status;
    let document: Document<T> = match serde_json::from_str(&answer.text) {
        Ok(document) => document,
        // Whatever it says, a status of this class says that nothing was done.
        Err(_strange) if status.is_client_error() => {
            let why = format!("it answered {status}: {}", words(&answer.text));
            return Err(Fault::Said(ProviderError::Refused { why }));
        }
        Err(error) => {
            let why = format!("it answered {status}, and not as Cloudflare's API does ({error})");
            return Err(Fault::Strange(why));
        }
    };
    if document.success && status.is_success() {
        return Ok(document);
    }
    let errors = &document.errors;
    if errors.iter().any(|it| UNAUTHORIZED.contains(&it.code)) {
        return Err(Fault::Said(ProviderError::Unauthorized));
    }
    let said: Vec<_> = errors
        .iter()
        .map(|it| format!("{} ({})", words(&it.message), it.code))
        .collect();
    let why = format!("it answered {status}: {}", words(&said.join("; ")));
    Err(Fault::Said(ProviderError::Refused { why }))
}

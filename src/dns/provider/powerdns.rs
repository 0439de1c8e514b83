//! PowerDNS by its HTTP API: one PATCH changes all sets or none.
//!
//! The server compares nothing, so the zone is read before and after. The serial of the zone is no proof of anything: the
//! server may keep it across a change.

use hickory_resolver::proto::rr::Name;
use http::{HeaderName, HeaderValue, Method, StatusCode, header::CONTENT_TYPE};
use serde::{Deserialize, Serialize};

use crate::{
    dns::provider::{
        Applied, Compares, Guarantee, ProviderError, Validation,
        api::{self, Answer, Call, escaped, sensitive, words},
        standing::{Standing, hold_to_after},
    },
    plan::dns::{Change, Kind, PowerDnsPlan, RecordSet, Ttl, Value},
};

const KEY: HeaderName = HeaderName::from_static("x-api-key");

/// A PowerDNS with its HTTP API.
#[derive(Clone, Debug)]
pub struct PowerDns {
    plan: PowerDnsPlan,
}

impl PowerDns {
    /// One change is one transaction of the server's database.
    pub const GUARANTEE: Guarantee = Guarantee {
        compares: Compares::BeforeAndAfter,
        is_atomic: true,
    };

    /// Calls nobody yet.
    #[must_use]
    pub const fn new(plan: PowerDnsPlan) -> Self {
        Self { plan }
    }

    /// Compares what is there; whether the server would take the change is not known.
    ///
    /// # Errors
    /// [`ProviderError`].
    pub async fn validate(&self, change: &Change) -> Result<Validation, ProviderError> {
        let found = self.found(change).await?;
        Standing::of(change, found).map(|_either| Validation::NotOffered)
    }

    /// Makes the change.
    ///
    /// # Errors
    /// [`ProviderError`].
    pub async fn apply(&self, change: &Change) -> Result<Applied, ProviderError> {
        let found = self.found(change).await?;
        if Standing::of(change, found)? == Standing::After {
            return Ok(Applied::Done);
        }
        let body = serde_json::to_string(&Patch::of(change));
        let body = body.map_err(|error| ProviderError::Invalid {
            why: error.to_string(),
        })?;
        let call = self.call(Method::PATCH, change.zone(), body)?;
        let answer = api::send(&self.plan.api, call).await?;
        if !answer.status.is_success() {
            return Err(self.complaint(change.zone(), &answer));
        }
        hold_to_after(change, self.found(change).await)?;
        Ok(Applied::Done)
    }

    /// All that there is of the change's names and kinds.
    async fn found(&self, change: &Change) -> Result<Vec<RecordSet>, ProviderError> {
        let (zone, subjects) = (change.zone(), change.subjects());
        // Asked for one name, the server leaves out disabled records, and a change would delete them unseen.
        let call = self.call(Method::GET, zone, String::new())?;
        let answer = api::send(&self.plan.api, call).await?;
        if !answer.status.is_success() {
            return Err(self.complaint(zone, &answer));
        }
        let read: Zone = serde_json::from_str(&answer.text).map_err(|error| {
            let why = format!(
                "its answer is no zone ({error}); is {} the API of a PowerDNS?",
                self.plan.api.url
            );
            ProviderError::Refused { why }
        })?;
        let mut found = Vec::new();
        for set in read.rrsets {
            let name = Name::from_ascii(&set.name).ok();
            let subject = subjects
                .iter()
                .find(|(of, kind)| kind.name() == set.kind && name.as_ref() == Some(of));
            if let Some((name, kind)) = subject {
                found.push(set.read(name, *kind)?);
            }
        }
        Ok(found)
    }

    fn call(&self, method: Method, zone: &Name, body: String) -> Result<Call, ProviderError> {
        let json = HeaderValue::from_static("application/json");
        Ok(Call {
            method,
            // Anything but letters, digits, `-`, `_` and `.` is written `=XX` there.
            path: format!(
                "/api/v1/servers/{}/zones/{}",
                self.plan.server,
                escaped(zone, '=')
            ),
            headers: vec![
                (KEY, sensitive(self.plan.key.expose())?),
                (CONTENT_TYPE, json),
            ],
            body,
        })
    }

    /// What the server has to say about a call that it did not carry out.
    fn complaint(&self, zone: &Name, answer: &Answer) -> ProviderError {
        let said = serde_json::from_str::<Complaint>(&answer.text);
        let said = said.map_or_else(|_| words(&answer.text), |it| words(&it.error));
        let why = match answer.status {
            StatusCode::NOT_FOUND => format!(
                "the server {:?} at {} has no zone {zone} ({said})",
                self.plan.server, self.plan.api.url
            ),
            status => format!("it answered {status}: {said}"),
        };
        match answer.status {
            StatusCode::UNPROCESSABLE_ENTITY => ProviderError::Invalid { why },
            _other => ProviderError::Refused { why },
        }
    }
}

#[derive(Deserialize)]
struct Complaint {
    error: String,
}

#[derive(Deserialize)]
struct Zone {
    rrsets: Vec<Found>,
}

#[derive(Deserialize)]
struct Found {
    name: String,
    #[serde(rename = "type")]
    kind: String,
    ttl: u32,
    records: Vec<FoundRecord>,
}

#[derive(Deserialize)]
struct FoundRecord {
    content: String,
    #[serde(default)]
    disabled: bool,
}

impl Found {
    fn read(&self, name: &Name, kind: Kind) -> Result<RecordSet, ProviderError> {
        let refused = |why: String| ProviderError::Refused { why };
        if self.records.iter().any(|it| it.disabled) {
            return Err(refused(format!(
                "{name} {kind} holds a disabled record, which a change would delete; delete it first"
            )));
        }
        let values = self
            .records
            .iter()
            .map(|it| Value::parse(kind, &it.content));
        let values: Result<_, _> = values.collect();
        Ok(RecordSet {
            name: name.clone(),
            kind,
            ttl: Ttl(self.ttl),
            values: values.map_err(|error| refused(format!("{name}: {error}")))?,
        })
    }
}

#[derive(Serialize)]
struct Patch<'c> {
    rrsets: Vec<Wanted<'c>>,
}

#[derive(Serialize)]
#[serde(tag = "changetype", rename_all = "UPPERCASE")]
enum Wanted<'c> {
    Delete {
        name: String,
        #[serde(rename = "type")]
        kind: &'static str,
    },
    Replace {
        name: String,
        #[serde(rename = "type")]
        kind: &'static str,
        ttl: u32,
        records: Vec<WantedRecord<'c>>,
    },
}

#[derive(Serialize)]
struct WantedRecord<'c> {
    content: &'c str,
    disabled: bool,
}

impl<'c> Patch<'c> {
    /// Whatever goes, goes first: the server takes no CNAME beside anything else, not even on the way.
    fn of(change: &'c Change) -> Self {
        let mut rrsets = Vec::new();
        for (before, after) in change.differences() {
            if let (Some(before), None) = (before, after) {
                rrsets.push(Wanted::Delete {
                    name: before.name.to_ascii(),
                    kind: before.kind.name(),
                });
            }
        }
        for after in change.differences().filter_map(|(_, after)| after) {
            let record = |it: &'c Value| WantedRecord {
                content: it.text(),
                disabled: false,
            };
            rrsets.push(Wanted::Replace {
                name: after.name.to_ascii(),
                kind: after.kind.name(),
                ttl: after.ttl.0,
                records: after.values.iter().map(record).collect(),
            });
        }
        Self { rrsets }
    }
}

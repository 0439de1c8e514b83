//! What Route 53 answers: the XML documents of its API of 2013-04-01, as its reference describes them. What else one holds is
//! skipped.

use serde::{Deserialize, Serialize, de::IgnoredAny};

use crate::dns::provider::ProviderError;

/// What every document of the API belongs to.
pub(super) const NAMESPACE: &str = "https://route53.amazonaws.com/doc/2013-04-01/";

/// An answer, by the name of its root.
#[derive(Deserialize)]
pub(super) enum Document {
    ListResourceRecordSetsResponse(Page),
    ChangeResourceRecordSetsResponse(Made),
    GetChangeResponse(Made),
    ErrorResponse(ErrorResponse),
    InvalidChangeBatch(InvalidChangeBatch),
}

/// Reads an answer.
///
/// # Errors
/// Why it is none.
pub(super) fn read(text: &str) -> Result<Document, String> {
    quick_xml::de::from_str(text).map_err(|error| error.to_string())
}

/// A part of the record sets of a hosted zone, in its order.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Page {
    resource_record_sets: Sets,
    is_truncated: bool,
    next_record_name: Option<String>,
    next_record_type: Option<String>,
    next_record_identifier: Option<String>,
}

#[derive(Deserialize)]
struct Sets {
    #[serde(default, rename = "ResourceRecordSet")]
    all: Vec<Listed>,
}

/// Where a page begins.
pub(super) struct Start {
    pub(super) name: String,
    /// Its first one where there is none.
    pub(super) kind: Option<String>,
    /// Of one among several sets of this name and kind.
    pub(super) identifier: Option<String>,
}

impl Page {
    /// What it holds, and where the next one begins; `None` after the last one.
    ///
    /// # Errors
    /// Why it is no page.
    pub(super) fn parts(self) -> Result<(Vec<Listed>, Option<Start>), ProviderError> {
        let sets = self.resource_record_sets.all;
        let next = match (self.is_truncated, self.next_record_name) {
            (false, _) => None,
            (true, Some(name)) => Some(Start {
                name,
                kind: self.next_record_type,
                identifier: self.next_record_identifier,
            }),
            (true, None) => {
                let why = "its list goes on and it does not say where".to_owned();
                return Err(ProviderError::Refused { why });
            }
        };
        Ok((sets, next))
    }
}

/// A record set as it is listed.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Listed {
    pub(super) name: String,
    #[serde(rename = "Type")]
    pub(super) kind: String,
    #[serde(rename = "TTL")]
    pub(super) ttl: Option<u32>,
    resource_records: Option<Records>,
    pub(super) alias_target: Option<AliasTarget>,
    pub(super) set_identifier: Option<String>,
    pub(super) weight: Option<u64>,
    pub(super) region: Option<String>,
    pub(super) failover: Option<String>,
    pub(super) multi_value_answer: Option<bool>,
    pub(super) geo_location: Option<IgnoredAny>,
    pub(super) geo_proximity_location: Option<IgnoredAny>,
    pub(super) cidr_routing_config: Option<IgnoredAny>,
    pub(super) health_check_id: Option<String>,
    pub(super) traffic_policy_instance_id: Option<String>,
}

impl Listed {
    /// The values of its records, as they were written.
    pub(super) fn values(&self) -> Vec<String> {
        let records = self.resource_records.iter().flat_map(|it| &it.all);
        records.map(|it| it.value.clone()).collect()
    }
}

/// What stands in the place of an alias's records.
#[derive(Deserialize)]
pub(super) struct AliasTarget {
    #[serde(rename = "DNSName")]
    pub(super) name: String,
}

/// The records of a set, in answers as in changes.
#[derive(Serialize, Deserialize)]
pub(super) struct Records {
    #[serde(default, rename = "ResourceRecord")]
    pub(super) all: Vec<Record>,
}

/// A record: its value alone.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Record {
    pub(super) value: String,
}

/// A change that Route 53 has accepted.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Made {
    pub(super) change_info: ChangeInfo,
}

/// How far it has come.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct ChangeInfo {
    id: String,
    pub(super) status: Status,
}

/// How far an accepted change has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub(super) enum Status {
    /// Not all servers have it.
    Pending,
    /// All of them have.
    InSync,
}

impl ChangeInfo {
    /// What the change is asked for by, without what is written before it; `None` if that is nothing that stands in a path.
    pub(super) fn id(&self) -> Option<&str> {
        let id = self.id.strip_prefix("/change/").unwrap_or(&self.id);
        let is_id = !id.is_empty() && id.bytes().all(|it| it.is_ascii_alphanumeric());
        is_id.then_some(id)
    }
}

/// Why a call was not carried out.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct ErrorResponse {
    pub(super) error: Complaint,
}

/// One word for programs, and some for people.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Complaint {
    pub(super) code: String,
    #[serde(default)]
    pub(super) message: String,
}

/// Why a change was not made, one message for each of its parts that cannot be.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct InvalidChangeBatch {
    messages: Messages,
}

#[derive(Deserialize)]
struct Messages {
    #[serde(default, rename = "Message")]
    all: Vec<String>,
}

impl InvalidChangeBatch {
    /// In words.
    pub(super) fn message(&self) -> String {
        self.messages.all.join("; ")
    }
}

#[cfg(test)]
mod tests;

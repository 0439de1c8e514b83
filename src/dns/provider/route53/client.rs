//! Signed calls of Route 53's API, and what their answers say.

use std::time::{Duration, UNIX_EPOCH};

use aws_credential_types::Credentials;
use http::{HeaderName, Method, header::CONTENT_TYPE};

use crate::{
    clock,
    dns::provider::{
        ProviderError,
        api::{self, Answer, Call, words},
        route53::{
            complaint,
            document::{self, Document},
            signature::{self, Scope, Unsigned},
        },
    },
    plan::{Secret, dns::Route53Plan},
};

/// Route 53 is one service for all regions, and signed for as if it were in this one.
const SCOPE: Scope<'_> = Scope {
    region: "us-east-1",
    service: "route53",
};

/// The version of the API, which every path begins with.
const VERSION: &str = "/2013-04-01";

/// Calls the API of one hosted zone.
#[derive(Clone, Debug)]
pub(super) struct Client {
    plan: Route53Plan,
}

impl Client {
    /// Calls nobody yet.
    pub(super) const fn new(plan: Route53Plan) -> Self {
        Self { plan }
    }

    /// The path of the zone's record sets, below the API's version.
    pub(super) fn zone_path(&self) -> String {
        format!("/hostedzone/{}/rrset", self.plan.zone_id)
    }

    /// Makes a call; `path` stands below the API's version.
    ///
    /// # Errors
    /// [`Fault`].
    pub(super) async fn call(
        &self,
        method: Method,
        path: String,
        body: String,
    ) -> Result<Document, Fault> {
        let path = format!("{VERSION}{path}");
        let call = self.signed(method.clone(), path, body)?;
        let answer = api::exchange(&self.plan.api, call).await?;
        self.read(&method, answer)
    }

    fn signed(&self, method: Method, path: String, body: String) -> Result<Call, ProviderError> {
        let (plan, at) = (&self.plan, clock::wall());
        let text = |it: &Secret| String::from_utf8_lossy(it.expose()).into_owned();
        let token = plan.session_token.as_ref().map(text);
        let credentials = Credentials::new(
            plan.access_key_id.clone(),
            text(&plan.secret),
            token,
            None,
            "configuration",
        );
        let own: &[(HeaderName, &str)] = match body.is_empty() {
            true => &[],
            false => &[(CONTENT_TYPE, "application/xml")],
        };
        let unsigned = Unsigned {
            method: &method,
            url: &format!("{}{path}", plan.api.url),
            headers: own,
            body: &body,
        };
        let since_epoch = Duration::from_micros(at.micros().unsigned_abs());
        let headers = signature::signed(credentials, &SCOPE, &unsigned, UNIX_EPOCH + since_epoch)?;
        Ok(Call {
            method,
            path,
            headers,
            body,
        })
    }

    fn read(&self, method: &Method, answer: Answer) -> Result<Document, Fault> {
        let (status, read) = (answer.status, document::read(&answer.text));
        match read {
            Ok(Document::ErrorResponse(it)) if it.error.code == INVALID => {
                Err(Fault::Declined(it.error.message))
            }
            Ok(Document::ErrorResponse(it)) => {
                let error = complaint::explained(&self.plan, method, answer, &it.error);
                Err(Fault::Other(error))
            }
            Ok(Document::InvalidChangeBatch(it)) => Err(Fault::Declined(it.message())),
            Ok(document) if status.is_success() => Ok(document),
            Ok(_) | Err(_) => {
                if let Some(error) = complaint::unavailable(method, &answer) {
                    return Err(Fault::Other(error));
                }
                let answer = api::explained(&self.plan.api, method, answer)?;
                let why = format!(
                    "it answered {status}, and not as Route 53 does: {}",
                    words(&answer.text)
                );
                // Whatever it says, a status of this class says that nothing was done.
                let error = match status.is_client_error() {
                    true => ProviderError::Refused { why },
                    false => strange(method, &why),
                };
                Err(Fault::Other(error))
            }
        }
    }
}

/// What Route 53 calls a change that does not fit what is there, or that it does not take.
const INVALID: &str = "InvalidChangeBatch";

/// Why a call did not come to what it was made for.
pub(super) enum Fault {
    /// Route 53 has not made the change, and says why.
    Declined(String),
    /// Anything else.
    Other(ProviderError),
}

impl From<ProviderError> for Fault {
    fn from(error: ProviderError) -> Self {
        Self::Other(error)
    }
}

impl From<Fault> for ProviderError {
    fn from(fault: Fault) -> Self {
        match fault {
            Fault::Declined(said) => Self::Refused { why: words(&said) },
            Fault::Other(error) => error,
        }
    }
}

/// An answer that is not one of Route 53's.
pub(super) fn strange(method: &Method, why: &str) -> ProviderError {
    let why = why.to_owned();
    match *method == Method::GET {
        true => ProviderError::Refused { why },
        false => ProviderError::Unknown { why },
    }
}

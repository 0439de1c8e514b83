//! What Route 53 means by an error, and what to do about it.

use http::{Method, StatusCode};

use crate::{
    dns::provider::{
        ProviderError,
        api::{self, Answer, words},
        route53::document::Complaint,
    },
    plan::dns::Route53Plan,
};

/// Too many calls of the account, or a change before this one that is not taken in yet.
const WAIT: [&str; 7] = [
    "Throttling",
    "ThrottlingException",
    "RequestThrottled",
    "RequestLimitExceeded",
    "TooManyRequestsException",
    "SlowDown",
    "PriorRequestNotComplete",
];

/// What to do about a key that is not taken, by the code.
const KEY: [(&str, &str); 9] = [
    ("InvalidClientTokenId", UNKNOWN_KEY),
    ("UnrecognizedClientException", UNKNOWN_KEY),
    ("InvalidAccessKeyId", UNKNOWN_KEY),
    ("SignatureDoesNotMatch", OTHER_SECRET),
    ("IncompleteSignature", OTHER_SECRET),
    ("InvalidSignatureException", OTHER_SECRET),
    ("ExpiredToken", EXPIRED),
    ("ExpiredTokenException", EXPIRED),
    ("RequestExpired", "this machine's clock is wrong; set it"),
];

const UNKNOWN_KEY: &str = "it does not know the access key, or not with this session token; see whether access_key_id is right and \
    the key active, and whether it is a temporary one that needs its session token";

const OTHER_SECRET: &str = "the signature is not that of the access key; see whether the secret belongs to access_key_id, and \
    whether this machine's clock is right";

const EXPIRED: &str = "the session token has expired; put new credentials in place and reload, or use a key that does not expire";

/// The error of an answer that says so.
pub(super) fn explained(
    plan: &Route53Plan,
    method: &Method,
    answer: Answer,
    complaint: &Complaint,
) -> ProviderError {
    let (code, zone) = (complaint.code.as_str(), &plan.zone_id);
    let (status, retry_after) = (answer.status, answer.retry_after);
    let refused = |why: String| ProviderError::Refused { why };
    if WAIT.contains(&code) {
        return ProviderError::RateLimited { retry_after };
    }
    // What it says beside these codes holds what was signed, the session token with it.
    if let Some((_, what)) = KEY.iter().find(|(it, _)| *it == code) {
        return refused(format!("{what} ({code})"));
    }
    let said = format!("{} ({})", words(&complaint.message), words(code));
    match code {
        "NoSuchHostedZone" => refused(format!(
            "it has no hosted zone {zone} in the account of this access key; see whether zone_id and access_key_id are right: {said}"
        )),
        "AccessDenied" | "AccessDeniedException" => refused(format!(
            "the access key is not allowed to do this; its policy has to allow route53:ListResourceRecordSets and \
             route53:ChangeResourceRecordSets for hostedzone/{zone}, and route53:GetChange: {said}"
        )),
        "InvalidInput" => ProviderError::Invalid {
            why: format!("it answered {status}: {said}"),
        },
        _other => match unavailable(method, &answer) {
            Some(error) => error,
            None => match api::explained(&plan.api, method, answer) {
                Ok(_unexplained) => refused(format!("it answered {status}: {said}")),
                Err(error) => error,
            },
        },
    }
}

/// Where Route 53 is not there for a moment, a call that only reads is made again; of any other nobody knows what became.
pub(super) fn unavailable(method: &Method, answer: &Answer) -> Option<ProviderError> {
    let is_sure = *method == Method::GET && answer.status == StatusCode::SERVICE_UNAVAILABLE;
    is_sure.then_some(ProviderError::RateLimited {
        retry_after: answer.retry_after,
    })
}

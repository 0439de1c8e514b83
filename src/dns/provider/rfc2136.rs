//! RFC 2136: one signed UPDATE message with prerequisites, over TCP.
//!
//! The server compares and changes in one step, so that nobody sees a half of it. A message is sent once only: after a
//! connection that ends without an answer, what became of it is not known, and a second message would meet its own change.

mod message;

use std::time::Duration;

use hickory_resolver::proto::{
    op::{Message, MessageType, ResponseCode},
    rr::{
        TSigVerifier, TSigner,
        rdata::tsig::{self, TsigError},
    },
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};

use self::message::Purpose;
use crate::{
    clock,
    dns::{
        look::held,
        provider::{Applied, Compares, Guarantee, ProviderError, Validation, standing::Standing},
    },
    plan::dns::{Change, RecordSet, Rfc2136Plan, TsigAlgorithm},
};

/// For connecting, and again for the answer: a server writes the change to its disk before it answers.
const PATIENCE: Duration = Duration::from_secs(5);

/// How far the server's clock may be from ours, in seconds, as RFC 8945 section 10 recommends.
const FUDGE: u16 = 300;

/// A server that takes signed updates.
#[derive(Clone, Debug)]
pub struct Rfc2136 {
    plan: Rfc2136Plan,
}

impl Rfc2136 {
    /// The values are compared by the server, a TTL cannot be, and everything comes into force at once.
    pub const GUARANTEE: Guarantee = Guarantee {
        compares: Compares::Values,
        is_atomic: true,
    };

    /// Talks to no server yet.
    #[must_use]
    pub const fn new(plan: Rfc2136Plan) -> Self {
        Self { plan }
    }

    /// Sends the prerequisites alone.
    ///
    /// # Errors
    /// [`ProviderError`].
    pub async fn validate(&self, change: &Change) -> Result<Validation, ProviderError> {
        match self.send(change, Purpose::Validate).await {
            Ok(()) => Ok(Validation::Held),
            Err(ProviderError::Conflict { expected, .. }) => Err(ProviderError::Conflict {
                expected,
                found: self.found(change).await?,
            }),
            Err(error) => Err(error),
        }
    }

    /// Makes the change.
    ///
    /// # Errors
    /// [`ProviderError`].
    pub async fn apply(&self, change: &Change) -> Result<Applied, ProviderError> {
        match self.send(change, Purpose::Apply).await {
            Ok(()) => Ok(Applied::Done),
            // The answer does not say what is there instead: it may be this very change, made before a crash.
            Err(ProviderError::Conflict { .. }) => {
                match Standing::of(change, self.found(change).await?)? {
                    Standing::After => Ok(Applied::Done),
                    Standing::Before => Err(ProviderError::Unknown {
                        why: "the zone holds what was expected, and a moment ago it did not"
                            .to_owned(),
                    }),
                }
            }
            Err(error) => Err(error),
        }
    }

    /// What the server has of everything that the change is about; nothing is changed by asking.
    async fn found(&self, change: &Change) -> Result<Vec<RecordSet>, ProviderError> {
        let held = held(self.plan.server, &change.subjects(), PATIENCE).await;
        held.map_err(|why| ProviderError::Refused {
            why: format!(
                "the zone holds something else than expected, and what cannot be read: {why}"
            ),
        })
    }

    async fn send(&self, change: &Change, purpose: Purpose) -> Result<(), ProviderError> {
        let mut message = message::update(random_id()?, change, purpose);
        let signed_at = clock::wall().micros().unsigned_abs() / 1_000_000;
        let verifier = message.finalize(&self.signer()?, signed_at);
        let verifier = verifier.map_err(|error| invalid(&error))?;
        let answer = self.exchange(&framed(&message)?).await?;
        message::outcome(change, read(&answer, message.id, verifier)?)
    }

    fn signer(&self) -> Result<TSigner, ProviderError> {
        let algorithm = match self.plan.algorithm {
            TsigAlgorithm::HmacSha256 => tsig::TsigAlgorithm::HmacSha256,
            TsigAlgorithm::HmacSha512 => tsig::TsigAlgorithm::HmacSha512,
        };
        let secret = self.plan.secret.expose().to_vec();
        let signer = TSigner::new(secret, algorithm, self.plan.key_name.clone(), FUDGE);
        signer.map_err(|error| invalid(&error))
    }

    /// One message there, one back (RFC 1035 section 4.2.2).
    async fn exchange(&self, framed: &[u8]) -> Result<Vec<u8>, ProviderError> {
        let server = self.plan.server;
        let connected = timeout(PATIENCE, TcpStream::connect(server)).await;
        let not_sent = |why: String| ProviderError::Refused {
            why: format!("{server} cannot be connected to ({why}), so nothing was sent"),
        };
        let mut stream = match connected {
            Ok(Ok(stream)) => stream,
            Ok(Err(error)) => return Err(not_sent(error.to_string())),
            Err(_elapsed) => return Err(not_sent(format!("no answer within {PATIENCE:?}"))),
        };
        let talk = async {
            stream.write_all(framed).await?;
            let length = stream.read_u16().await?;
            let mut answer = vec![0; usize::from(length)];
            stream.read_exact(&mut answer).await?;
            Ok::<_, std::io::Error>(answer)
        };
        let unknown = |why: String| ProviderError::Unknown {
            why: format!("{server}: {why}"),
        };
        match timeout(PATIENCE, talk).await {
            Ok(answer) => answer.map_err(|error| unknown(error.to_string())),
            Err(_elapsed) => Err(unknown(format!("no answer within {PATIENCE:?}"))),
        }
    }
}

fn random_id() -> Result<u16, ProviderError> {
    let mut random = [0; 2];
    getrandom::fill(&mut random).map_err(|error| invalid(&error))?;
    Ok(u16::from_ne_bytes(random))
}

/// As it goes over TCP: behind its length.
fn framed(message: &Message) -> Result<Vec<u8>, ProviderError> {
    let bytes = message.to_vec().map_err(|error| invalid(&error))?;
    let length = u16::try_from(bytes.len()).map_err(|error| invalid(&error))?;
    Ok([&length.to_be_bytes()[..], &bytes].concat())
}

/// The answer's code. That our key is not accepted cannot be signed with it (RFC 8945 section 5.2); everything else has to be
/// signed, or it may be anybody's answer.
fn read(
    answer: &[u8],
    id: u16,
    verifier: Option<TSigVerifier>,
) -> Result<ResponseCode, ProviderError> {
    let unknown = |why: String| ProviderError::Unknown { why };
    let read = Message::from_vec(answer).map_err(|error| unknown(error.to_string()))?;
    if read.id != id || read.message_type != MessageType::Response {
        return Err(unknown("an answer to something else".to_owned()));
    }
    let code = match (read.response_code, tsig_error(&read)) {
        (ResponseCode::NotAuth, Some(TsigError::BadSig)) => return Ok(ResponseCode::BADSIG),
        (ResponseCode::NotAuth, Some(TsigError::BadKey)) => return Ok(ResponseCode::BADKEY),
        (ResponseCode::NotAuth, Some(TsigError::BadTime)) => ResponseCode::BADTIME,
        (code, _) => code,
    };
    let Some(mut verifier) = verifier else {
        return Err(unknown("the message was not signed".to_owned()));
    };
    match verifier.verify(answer) {
        Ok(_verified) => Ok(code),
        Err(error) => Err(unknown(format!(
            "the answer, {code:?}, is not signed as it has to be ({error})"
        ))),
    }
}

fn tsig_error(answer: &Message) -> Option<TsigError> {
    answer.signature()?.data.error
}

fn invalid(error: &dyn std::error::Error) -> ProviderError {
    ProviderError::Invalid {
        why: error.to_string(),
    }
}

//! Calls of a provider's HTTP API: bounded in time and size, one connection each, and without redirects, which would carry the
//! key elsewhere.
//!
//! What every API means by a status is an error here already. Only a call that may change something can leave its outcome
//! unknown; of any other it is certain that nothing was done.

use std::{sync::Arc, time::Duration};

use hickory_resolver::proto::rr::Name;
use http::{HeaderName, HeaderValue, Method, Request, StatusCode, header::RETRY_AFTER};
use rustls::crypto::ring;
use rustls_pki_types::{CertificateDer, pem::PemObject};
use tokio::task::spawn_blocking;
use ureq::{
    Agent, Error, Timeout,
    tls::{Certificate, RootCerts, TlsConfig},
};

use crate::{clock, dns::provider::ProviderError, plan::dns::ApiPlan};

/// The most that an answer may hold: a zone of some hundred thousand records.
const ANSWER_BYTES_MAX: u64 = 32 * 1024 * 1024;

/// The most of a provider's own words that is shown.
const WORDS_MAX: usize = 300;

/// One call.
pub(super) struct Call {
    pub(super) method: Method,
    /// What follows the plan's URL.
    pub(super) path: String,
    /// May hold a key, so they are never shown.
    pub(super) headers: Vec<(HeaderName, HeaderValue)>,
    /// Empty for none.
    pub(super) body: String,
}

/// What came back, with a status that is the adapter's to explain.
pub(super) struct Answer {
    pub(super) status: StatusCode,
    /// How long to wait, if it says so.
    pub(super) retry_after: Option<Duration>,
    pub(super) text: String,
}

/// Makes a call.
///
/// # Errors
/// [`ProviderError`] where there is no answer, or one that means the same with every API.
pub(super) async fn send(plan: &ApiPlan, call: Call) -> Result<Answer, ProviderError> {
    let method = call.method.clone();
    let answer = exchange(plan, call).await?;
    explained(plan, &method, answer)
}

/// Makes a call, and leaves every status to the adapter.
///
/// # Errors
/// [`ProviderError`] where there is no answer.
pub(super) async fn exchange(plan: &ApiPlan, call: Call) -> Result<Answer, ProviderError> {
    let method = call.method.clone();
    let owned = plan.clone();
    let sent = spawn_blocking(move || blocking(&owned, call)).await;
    // A task that panicked may have done so at any moment.
    let sent = sent.map_err(|error| unanswered(plan, &method, &error.to_string()))?;
    sent.map_err(|fault| match fault.is_before_sending {
        true => unchanged(plan, &fault.why),
        false => unanswered(plan, &method, &fault.why),
    })
}

/// What an answer to a call of this method means by its status with every API.
///
/// # Errors
/// [`ProviderError`] where that is one.
pub(super) fn explained(
    plan: &ApiPlan,
    method: &Method,
    answer: Answer,
) -> Result<Answer, ProviderError> {
    let retry_after = answer.retry_after;
    match answer.status {
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => Err(ProviderError::Unauthorized),
        StatusCode::TOO_MANY_REQUESTS => Err(ProviderError::RateLimited { retry_after }),
        status if status.is_redirection() => {
            let why = format!("it answered {status} and points elsewhere, which is not followed");
            Err(unchanged(plan, &why))
        }
        status if status.is_server_error() => {
            let why = format!("it answered {status}: {}", words(&answer.text));
            Err(unanswered(plan, method, &why))
        }
        _other => Ok(answer),
    }
}

/// Nobody knows what became of the call; one that only reads has changed nothing.
fn unanswered(plan: &ApiPlan, method: &Method, why: &str) -> ProviderError {
    match *method == Method::GET {
        true => unchanged(plan, why),
        false => ProviderError::Unknown {
            why: format!("{}: {why}", plan.url),
        },
    }
}

fn unchanged(plan: &ApiPlan, why: &str) -> ProviderError {
    ProviderError::Refused {
        why: format!("{}: {why}, so nothing was changed", plan.url),
    }
}

/// A header that holds a key.
///
/// # Errors
/// [`ProviderError::Invalid`] if no header can hold it.
pub(super) fn sensitive(value: &[u8]) -> Result<HeaderValue, ProviderError> {
    let mut value = HeaderValue::from_bytes(value).map_err(|_invalid| ProviderError::Invalid {
        why:
            "the key or token holds characters that no header may hold; is its file the right one?"
                .to_owned(),
    })?;
    value.set_sensitive(true);
    Ok(value)
}

/// A provider's own words: printable, and cut where they are long.
pub(super) fn words(text: &str) -> String {
    let printable = |it: char| if it.is_control() { ' ' } else { it };
    let shown: String = text.trim().chars().map(printable).take(WORDS_MAX).collect();
    match shown.is_empty() {
        true => "nothing more".to_owned(),
        false => shown,
    }
}

/// A name in lower case, with what a URL does not hold as two hexadecimal digits after `mark`.
pub(super) fn escaped(name: &Name, mark: char) -> String {
    escaped_text(&name.to_lowercase().to_ascii(), mark)
}

/// A text, with what a URL does not hold as two hexadecimal digits after `mark`.
pub(super) fn escaped_text(text: &str, mark: char) -> String {
    let escape = |byte: u8| match byte {
        b'-' | b'_' | b'.' => char::from(byte).to_string(),
        byte if byte.is_ascii_alphanumeric() => char::from(byte).to_string(),
        other => format!("{mark}{other:02X}"),
    };
    text.bytes().map(escape).collect()
}

/// Why there is no answer.
struct Fault {
    why: String,
    is_before_sending: bool,
}

fn blocking(plan: &ApiPlan, call: Call) -> Result<Answer, Fault> {
    let mut request = Request::builder()
        .method(call.method)
        .uri(format!("{}{}", plan.url, call.path));
    for (name, value) in call.headers {
        request = request.header(name, value);
    }
    let agent = agent(plan)?;
    let sent = match call.body.is_empty() {
        true => request.body(()).map(|it| agent.run(it)),
        false => request.body(call.body).map(|it| agent.run(it)),
    };
    let mut answer = sent
        .map_err(|error| unsent(error.to_string()))?
        .map_err(|error| fault(&error))?;
    let retry_after = answer.headers().get(RETRY_AFTER);
    let retry_after = retry_after.and_then(|it| wait(it.to_str().ok()?));
    let status = answer.status();
    let limited = answer.body_mut().with_config().limit(ANSWER_BYTES_MAX);
    let text = match limited.read_to_string() {
        Ok(text) => text,
        // The status says all that counts: nothing was done.
        Err(_error) if status.is_client_error() => String::new(),
        Err(error) => return Err(fault(&error)),
    };
    Ok(Answer {
        status,
        retry_after,
        text,
    })
}

/// Reads the roots anew for each call: calls are rare, and roots are renewed.
fn agent(plan: &ApiPlan) -> Result<Agent, Fault> {
    let config = Agent::config_builder()
        .http_status_as_error(false)
        .max_redirects(0)
        .max_redirects_will_error(false)
        // A proxy of the environment would come between without being named in the configuration.
        .proxy(None)
        // A connection that was kept may have been closed meanwhile, which would leave an outcome unknown for nothing.
        .max_idle_connections(0)
        .user_agent(concat!("changeover/", env!("CARGO_PKG_VERSION")))
        .timeout_global(Some(plan.timeout));
    let config = match plan.url.starts_with("https:") {
        true => config.tls_config(trust(plan)?),
        false => config,
    };
    Ok(config.build().into())
}

fn trust(plan: &ApiPlan) -> Result<TlsConfig, Fault> {
    let owned = |der: &CertificateDer<'_>| Certificate::from_der(der).to_owned();
    // Some systems carry roots that cannot be read; the others are trusted all the same.
    let system = rustls_native_certs::load_native_certs().certs;
    let mut roots: Vec<_> = system.iter().map(owned).collect();
    if let Some(path) = &plan.ca {
        let wrong = |error: &dyn std::fmt::Display| {
            unsent(format!("{} cannot be trusted: {error}", path.display()))
        };
        for certificate in CertificateDer::pem_file_iter(path).map_err(|it| wrong(&it))? {
            roots.push(owned(&certificate.map_err(|it| wrong(&it))?));
        }
    }
    Ok(TlsConfig::builder()
        .root_certs(RootCerts::Specific(Arc::new(roots)))
        .unversioned_rustls_crypto_provider(Arc::new(ring::default_provider()))
        .build())
}

fn unsent(why: String) -> Fault {
    Fault {
        why,
        is_before_sending: true,
    }
}

/// The errors of finding the server, of connecting and of the handshake come before anything is sent; every other one may
/// have come after.
fn fault(error: &Error) -> Fault {
    let is_refused = |it: &std::io::Error| it.kind() == std::io::ErrorKind::ConnectionRefused;
    let is_before_sending = match error {
        Error::HostNotFound
        | Error::ConnectionFailed
        | Error::BadUri(_)
        | Error::Http(_)
        | Error::Timeout(Timeout::Resolve | Timeout::Connect) => true,
        Error::Io(error) => is_refused(error),
        _other => false,
    };
    let why = match error {
        Error::Timeout(_) => "no answer in time".to_owned(),
        Error::HostNotFound => "its name is unknown".to_owned(),
        other => other.to_string(),
    };
    Fault {
        why,
        is_before_sending,
    }
}

/// How long to wait: seconds, or until a date (RFC 9110 section 10.2.3).
fn wait(text: &str) -> Option<Duration> {
    wanted(text).map(|it| it.min(WAIT_MAX))
}

/// Nobody is believed who wants to be left alone for longer: a way back may wait for it.
const WAIT_MAX: Duration = Duration::from_secs(300);

fn wanted(text: &str) -> Option<Duration> {
    if let Ok(seconds) = text.trim().parse() {
        return Some(Duration::from_secs(seconds));
    }
    let date = httpdate::parse_http_date(text.trim()).ok()?;
    let date = date.duration_since(std::time::UNIX_EPOCH).ok()?;
    let now = u64::try_from(clock::wall().micros()).ok()?;
    Some(date.saturating_sub(Duration::from_micros(now)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wait_is_in_seconds_or_until_a_date() {
        assert_eq!(wait(" 30 "), Some(Duration::from_secs(30)));
        assert_eq!(
            wait("Fri, 31 Dec 1999 23:59:59 GMT"),
            Some(Duration::ZERO),
            "it is over"
        );
        assert_eq!(wait("soon"), None);
    }

    #[test]
    fn words_are_printable_and_short() {
        assert_eq!(words("\u{1b}[31mno\n"), " [31mno");
        assert_eq!(words(&"a".repeat(1000)).len(), WORDS_MAX);
        assert_eq!(words(" "), "nothing more");
    }

    #[test]
    fn a_key_that_no_header_holds_is_not_shown() {
        let error = sensitive(b"hunter2\n").expect_err("a line break");
        assert!(!error.to_string().contains("hunter2"), "{error}");
        let header = sensitive(b"hunter2").expect("a header");
        assert!(!format!("{header:?}").contains("hunter2"));
    }

    #[test]
    fn zones_and_names_are_escaped_as_the_api_wants_them() {
        let check = |name: &str, mark, expected: &str| {
            assert_eq!(
                escaped(&Name::from_ascii(name).expect("a name"), mark),
                expected
            );
        };
        check("Example.Test.", '=', "example.test.");
        check("*.Example.test.", '=', "=2A.example.test.");
        check("*.example.test.", '%', "%2A.example.test.");
    }
}

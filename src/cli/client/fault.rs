//! What went wrong with a call, in words that say what to do.

use crate::{
    admin::ProblemDocument,
    cli::{client::Client, exit::Failure, output::printable},
};

impl Client {
    /// The server was not reached, or its answer broke off.
    pub(super) fn unreachable(&self, error: &ureq::Error) -> Failure {
        let advice = "is `changeover serve` running there? set --admin or CHANGEOVER_ADMIN";
        Failure::Failed(anyhow::anyhow!(
            "cannot reach the admin API at {}: {}; {advice}",
            self.base,
            cause(error)
        ))
    }

    /// The server answered with a problem.
    pub(super) fn problem(&self, status: u16, text: &str) -> Failure {
        let Ok(problem) = serde_json::from_str::<ProblemDocument>(text) else {
            return Failure::Failed(anyhow::anyhow!(
                "{} answered {status}, and not as changeover's admin API does; \
                 set --admin or CHANGEOVER_ADMIN",
                self.base
            ));
        };
        let detail = printable(&problem.detail);
        match status {
            401 if self.authorization.is_none() => {
                Failure::Refused(format!("{} wants a token: set CHANGEOVER_TOKEN", self.base))
            }
            401 | 403 | 409 => Failure::Refused(detail),
            400 => Failure::Usage(detail),
            422 => Failure::Configuration(
                problem
                    .detail
                    .lines()
                    .map(printable)
                    .collect::<Vec<_>>()
                    .join("\n"),
            ),
            _ => Failure::Failed(anyhow::anyhow!(
                "{} answered {status}: {}: {detail}",
                self.base,
                printable(&problem.title)
            )),
        }
    }

    /// The answer is a success and yet cannot be understood.
    pub(super) fn strange(&self, error: &serde_json::Error) -> Failure {
        Failure::Failed(anyhow::anyhow!(
            "cannot understand the answer of {}: {error}; \
             is it changeover's admin API, and of version {}?",
            self.base,
            env!("CARGO_PKG_VERSION")
        ))
    }
}

fn cause(error: &ureq::Error) -> String {
    match error {
        ureq::Error::Io(error) => error.to_string(),
        ureq::Error::Timeout(_) => "no answer in time".into(),
        ureq::Error::HostNotFound => "its name is unknown".into(),
        other => other.to_string(),
    }
}

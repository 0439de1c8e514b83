//! What is said between us and the program, pure: one JSON object there, one back.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::{
    dns::provider::{Applied, ProviderError, Validation, api::words},
    plan::dns::{Change, RecordSet},
};

/// Rises when a program that understands the old contract would misunderstand the new one.
const VERSION: u32 = 1;

/// What the program is asked to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Action {
    Validate,
    Apply,
}

/// What an answer that is no error answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Answered {
    Validated(Validation),
    Applied(Applied),
}

#[derive(Serialize)]
struct Question<'c> {
    version: u32,
    action: Action,
    zone: String,
    before: &'c [RecordSet],
    after: &'c [RecordSet],
}

#[derive(Deserialize)]
#[serde(tag = "status", rename_all = "snake_case", deny_unknown_fields)]
enum Answer {
    Done {},
    Pending { until: String },
    Held {},
    NotOffered {},
    Conflict { found: Vec<RecordSet> },
    Refused { why: String },
    Unauthorized {},
    RateLimited { retry_after_seconds: Option<u64> },
}

/// The question, with a line break at its end.
pub(super) fn question(change: &Change, action: Action) -> serde_json::Result<Vec<u8>> {
    let mut bytes = serde_json::to_vec(&Question {
        version: VERSION,
        action,
        zone: change.zone().to_ascii(),
        before: change.before(),
        after: change.after(),
    })?;
    bytes.push(b'\n');
    Ok(bytes)
}

/// What the program's answer means.
///
/// # Errors
/// The outer one says why it means nothing.
pub(super) fn answer(
    change: &Change,
    bytes: &[u8],
) -> Result<Result<Answered, ProviderError>, String> {
    let answer: Answer = serde_json::from_slice(bytes).map_err(|error| {
        words(&format!(
            "its answer is not as the contract has it ({error})"
        ))
    })?;
    Ok(match answer {
        Answer::Done {} => Ok(Answered::Applied(Applied::Done)),
        Answer::Pending { until } => Ok(Answered::Applied(Applied::Pending {
            until: words(&until),
        })),
        Answer::Held {} => Ok(Answered::Validated(Validation::Held)),
        Answer::NotOffered {} => Ok(Answered::Validated(Validation::NotOffered)),
        Answer::Conflict { found } => Err(ProviderError::Conflict {
            expected: change.before().to_vec(),
            found,
        }),
        Answer::Refused { why } => Err(ProviderError::Refused { why: words(&why) }),
        Answer::Unauthorized {} => Err(ProviderError::Unauthorized),
        Answer::RateLimited {
            retry_after_seconds,
        } => Err(ProviderError::RateLimited {
            retry_after: retry_after_seconds.map(Duration::from_secs),
        }),
    })
}

#[cfg(test)]
mod tests {
    use hickory_resolver::proto::rr::Name;

    use super::*;
    use crate::plan::dns::{Kind, Ttl, Value};

    fn change() -> Change {
        let set = RecordSet {
            name: Name::from_ascii("shop.example.test.").expect("a name"),
            kind: Kind::A,
            ttl: Ttl(3600),
            values: [Value::parse(Kind::A, "192.0.2.1").expect("a value")].into(),
        };
        let zone = Name::from_ascii("example.test.").expect("a name");
        Change::new(zone, vec![set.clone()], vec![set.with_ttl(Ttl(60))]).expect("a change")
    }

    #[test]
    fn a_question_is_one_line_of_json() {
        let bytes = question(&change(), Action::Apply).expect("it can be asked");
        assert_eq!(
            String::from_utf8(bytes).expect("text"),
            "{\"version\":1,\"action\":\"apply\",\"zone\":\"example.test.\",\
             \"before\":[{\"name\":\"shop.example.test.\",\"type\":\"A\",\"ttl\":3600,\"values\":[\"192.0.2.1\"]}],\
             \"after\":[{\"name\":\"shop.example.test.\",\"type\":\"A\",\"ttl\":60,\"values\":[\"192.0.2.1\"]}]}\n"
        );
    }

    #[test]
    fn every_answer_of_the_contract_has_its_meaning() {
        let check = |text: &str, expected: Result<Answered, ProviderError>| {
            assert_eq!(answer(&change(), text.as_bytes()), Ok(expected), "{text}");
        };
        let applied = |it| Ok(Answered::Applied(it));
        check(r#"{"status":"done"}"#, applied(Applied::Done));
        let until = "C1 is INSYNC".to_owned();
        check(
            r#"{"status":"pending","until":"C1 is INSYNC"}"#,
            applied(Applied::Pending { until }),
        );
        let validated = |it| Ok(Answered::Validated(it));
        check(r#"{"status":"held"}"#, validated(Validation::Held));
        check(
            r#"{"status":"not_offered"}"#,
            validated(Validation::NotOffered),
        );
        let mut found = change().before()[0].clone();
        found.values = [Value::parse(Kind::A, "192.0.2.9").expect("a value")].into();
        check(
            r#"{"status":"conflict","found":[{"name":"shop.example.test","type":"A","ttl":3600,"values":["192.0.2.9"]}]}"#,
            Err(ProviderError::Conflict {
                expected: change().before().to_vec(),
                found: vec![found],
            }),
        );
        check(
            r#"{"status":"refused","why":"locked\u001b"}"#,
            Err(ProviderError::Refused {
                why: "locked ".to_owned(),
            }),
        );
        check(
            r#"{"status":"unauthorized"}"#,
            Err(ProviderError::Unauthorized),
        );
        for (text, retry_after) in [
            (r#"{"status":"rate_limited"}"#, None),
            (
                r#"{"status":"rate_limited","retry_after_seconds":30}"#,
                Some(Duration::from_secs(30)),
            ),
        ] {
            check(text, Err(ProviderError::RateLimited { retry_after }));
        }
    }

    #[test]
    fn any_other_answer_means_nothing() {
        for text in [
            "",
            "done",
            "{}",
            r#"{"status":"ok"}"#,
            r#"{"status":"done","until":"later"}"#,
            r#"{"status":"done"} {"status":"done"}"#,
            r#"{"status":"pending"}"#,
            r#"{"status":"conflict","found":[{"name":"a.","type":"MX","ttl":1,"values":[]}]}"#,
            r#"{"status":"conflict","found":[{"name":"a.","type":"A","ttl":1,"values":["x"]}]}"#,
        ] {
            assert!(answer(&change(), text.as_bytes()).is_err(), "{text}");
        }
    }
}

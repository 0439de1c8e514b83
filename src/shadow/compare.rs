//! Two answers to one request, place by place.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::shadow::{
    Answer, Place,
    content::{self, Content},
    json,
};

/// Places at which two answers differ that are kept; more of them say nothing that these do not.
const PLACES_MAX: usize = 64;

/// The longest value that is kept of a place, in bytes.
const VALUE_MAX: usize = 512;

/// What comparing two answers gave.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Comparison {
    /// Where they differ, each place once.
    pub differences: Vec<Difference>,
    /// Why their bodies were not compared; `None` where they were.
    pub unread: Option<&'static str>,
}

/// A place at which two answers differ.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    /// Where.
    pub place: Place,
    /// What old answered there; empty where it answered nothing.
    pub old: String,
    /// What the copy was answered.
    pub copy: String,
}

/// Compares what a copy was answered with what `old` answered. `most` bounds a body once it is decoded, and `is_ignored`
/// says which places of a JSON body are left out.
#[must_use]
pub fn compare(
    old: &Answer,
    copy: &Answer,
    most: usize,
    is_ignored: &dyn Fn(&str) -> bool,
) -> Comparison {
    // Under another status every field and the body are others as well, which would say the same again.
    if old.status != copy.status {
        return Comparison {
            differences: vec![Difference {
                place: Place::Status,
                old: old.status.to_string(),
                copy: copy.status.to_string(),
            }],
            unread: None,
        };
    }
    let mut comparison = Comparison::default();
    for ((name, was), (_, is)) in old.headers.iter().zip(&copy.headers) {
        if was != is {
            comparison.differences.push(Difference {
                place: Place::Header(name.clone()),
                old: was.join(", "),
                copy: is.join(", "),
            });
        }
    }
    bodies(old, copy, most, is_ignored, &mut comparison);
    for difference in &mut comparison.differences {
        shorten(&mut difference.old);
        shorten(&mut difference.copy);
    }
    comparison
}

fn bodies(
    old: &Answer,
    copy: &Answer,
    most: usize,
    is_ignored: &dyn Fn(&str) -> bool,
    comparison: &mut Comparison,
) {
    let differ = |was: String, is: String| Difference {
        place: Place::Body,
        old: was,
        copy: is,
    };
    if is_alike(old, copy) {
        return;
    }
    match (content::read(old, most), content::read(copy, most)) {
        (Content::Unread(why), _) | (_, Content::Unread(why)) => comparison.unread = Some(why),
        (Content::Broken, Content::Broken) => {
            comparison.unread = Some("not in the encoding that they name");
        }
        (Content::Json(was), Content::Json(is)) => {
            let found = values(&was, &is, is_ignored);
            comparison.differences.extend(found);
        }
        (Content::Bytes(was), Content::Bytes(is)) if was == is => (),
        (Content::Long(was), Content::Long(is)) if was.body.is_same(&is.body) => (),
        _other => {
            let (was, is) = (described(old), described(copy));
            comparison.differences.push(differ(was, is));
        }
    }
}

/// Whether two bodies are the same before anything is taken off, so that nobody has to know how.
fn is_alike(old: &Answer, copy: &Answer) -> bool {
    old.content_type == copy.content_type
        && old.encoding == copy.encoding
        && old.body.is_same(&copy.body)
}

/// The places at which two JSON values differ, each with the first values that did.
fn values(was: &Value, is: &Value, is_ignored: &dyn Fn(&str) -> bool) -> Vec<Difference> {
    let mut found: BTreeMap<String, (String, String)> = BTreeMap::new();
    json::differences(was, is, &mut |path, was, is| {
        let is_new = !found.contains_key(path);
        if is_new && found.len() < PLACES_MAX && !is_ignored(path) {
            let text = |it: Option<&Value>| it.map_or_else(String::new, text);
            found.insert(path.to_owned(), (text(was), text(is)));
        }
    });
    let differences = found.into_iter().map(|(path, (old, copy))| Difference {
        place: Place::Json(path),
        old,
        copy,
    });
    differences.collect()
}

/// A JSON value for people; of what has members or elements only the kind, since its members are places of their own.
fn text(value: &Value) -> String {
    match value {
        Value::Array(elements) => format!("[{} elements]", elements.len()),
        Value::Object(members) => format!("{{{} members}}", members.len()),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => value.to_string(),
    }
}

fn described(answer: &Answer) -> String {
    let kind = answer.content_type.as_deref().unwrap_or("no type");
    let more = if answer.body.is_cut() {
        "at least "
    } else {
        ""
    };
    format!("{more}{} bytes of {kind}", answer.body.length())
}

fn shorten(text: &mut String) {
    if text.len() > VALUE_MAX {
        let end = text.floor_char_boundary(VALUE_MAX);
        text.truncate(end);
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use flate2::{Compression, write::GzEncoder};

    use super::*;
    use crate::shadow::Kept;

    const MOST: usize = 1 << 10;

    fn answer(content_type: &str, body: &[u8]) -> Answer {
        let mut kept = Kept::new(MOST);
        kept.push(body);
        Answer {
            status: 200,
            headers: vec![("location".to_owned(), Vec::new())],
            content_type: Some(content_type.to_owned()),
            encoding: None,
            body: kept,
        }
    }

    fn json(body: &str) -> Answer {
        answer("application/json; charset=utf-8", body.as_bytes())
    }

    fn zipped(answer: &Answer, level: u32) -> Answer {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::new(level));
        encoder.write_all(answer.body.whole().unwrap()).unwrap();
        let mut body = Kept::new(MOST);
        body.push(&encoder.finish().unwrap());
        Answer {
            encoding: Some("gzip".to_owned()),
            body,
            ..answer.clone()
        }
    }

    fn places(old: &Answer, copy: &Answer) -> Vec<String> {
        let comparison = compare(old, copy, MOST, &|path| path == "/at");
        assert_eq!(comparison.unread, None);
        let differences = comparison.differences.iter();
        differences.map(|it| it.place.to_string()).collect()
    }

    #[test]
    fn json_is_compared_by_place_and_not_by_its_bytes() {
        let old = json(r#"{"price": 5, "at": "10:00", "items": [{"id": 1}, {"id": 2}]}"#);
        let copy = json(r#"{"at":"10:01","items":[{"id":3},{"id":4}],"price":5}"#);
        assert_eq!(places(&old, &copy), ["json /items/*/id"]);
        assert!(places(&old, &old).is_empty());
    }

    #[test]
    fn an_encoding_is_taken_off_before_anything_is_compared() {
        let old = json(&format!("{{\"text\": \"{}\"}}", "again and ".repeat(40)));
        assert!(places(&zipped(&old, 1), &zipped(&old, 9)).is_empty());
        assert!(places(&zipped(&old, 1), &old).is_empty());
        let broken = Answer {
            encoding: Some("br".to_owned()),
            ..old.clone()
        };
        // What new alone spoils is no answer that a client could read.
        assert_eq!(places(&old, &broken), ["body"]);
        let other = Answer {
            encoding: broken.encoding.clone(),
            ..json("{}")
        };
        assert!(compare(&broken, &other, MOST, &|_| false).unread.is_some());
        let bomb = |level| zipped(&json(&"0".repeat(MOST)), level);
        let of_bombs = compare(&bomb(1), &bomb(9), 100, &|_| false);
        assert!(of_bombs.unread.is_some());
    }

    #[test]
    fn what_is_the_same_byte_for_byte_needs_no_reading() {
        let unknown = Answer {
            encoding: Some("zstd".to_owned()),
            ..answer("text/html", &[b'x'; MOST * 2])
        };
        assert!(places(&unknown, &unknown).is_empty());
    }

    #[test]
    fn an_answer_to_head_names_an_encoding_and_has_no_body() {
        let head = Answer {
            encoding: Some("gzip".to_owned()),
            ..json("")
        };
        let plain = Answer {
            encoding: None,
            ..head.clone()
        };
        assert!(places(&head, &plain).is_empty());
    }

    #[test]
    fn what_is_no_json_is_compared_byte_by_byte() {
        let (old, copy) = (answer("text/html", b"<p>1"), answer("text/html", b"<p>2"));
        assert_eq!(places(&old, &copy), ["body"]);
        assert!(places(&old, &old).is_empty());
        // What says that it is JSON and is none is compared all the same.
        assert_eq!(places(&json("{"), &json("{ ")), ["body"]);
        assert_eq!(places(&json("{}"), &answer("text/html", b"{}")), ["body"]);
    }

    #[test]
    fn a_body_that_was_not_kept_whole_is_compared_by_its_digest() {
        let long = |last: u8| {
            let mut body = vec![b'x'; MOST * 3];
            body.push(last);
            answer("text/plain", &body)
        };
        assert!(places(&long(b'a'), &long(b'a')).is_empty());
        assert_eq!(places(&long(b'a'), &long(b'b')), ["body"]);
        assert_eq!(places(&long(b'a'), &answer("text/plain", b"x")), ["body"]);
    }

    #[test]
    fn another_status_is_the_one_difference() {
        let old = json("{\"a\": 1}");
        let copy = Answer {
            status: 404,
            ..answer("text/plain", b"not here")
        };
        assert_eq!(places(&old, &copy), ["status"]);
        let moved = Answer {
            headers: vec![("location".to_owned(), vec!["/there".to_owned()])],
            ..old.clone()
        };
        assert_eq!(places(&old, &moved), ["header location"]);
    }
}

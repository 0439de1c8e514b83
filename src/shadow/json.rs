//! Two JSON values, place by place.

use serde_json::Value;

/// Is told of a place, as a JSON pointer, and of both values there, of which one may be missing.
type Report<'r, 'a> = &'r mut dyn FnMut(&str, Option<&'a Value>, Option<&'a Value>);

/// Reports where two values differ.
/// The order of an object's members does not matter (RFC 8259 section 4), and elements are compared by their index.
pub(super) fn differences<'a>(old: &'a Value, copy: &'a Value, report: Report<'_, 'a>) {
    let mut path = String::new();
    walk(old, copy, &mut path, report);
}

fn walk<'a>(old: &'a Value, copy: &'a Value, path: &mut String, report: Report<'_, 'a>) {
    match (old, copy) {
        (Value::Object(was), Value::Object(is)) => {
            for (key, value) in was {
                let length = enter(path, key);
                match is.get(key) {
                    Some(other) => walk(value, other, path, report),
                    None => report(path, Some(value), None),
                }
                path.truncate(length);
            }
            for (key, value) in is.iter().filter(|(key, _)| !was.contains_key(*key)) {
                let length = enter(path, key);
                report(path, None, Some(value));
                path.truncate(length);
            }
        }
        (Value::Array(was), Value::Array(is)) => {
            let length = path.len();
            path.push_str("/*");
            for (value, other) in was.iter().zip(is) {
                walk(value, other, path, report);
            }
            // One that has more of them differs in that, not in what follows from it.
            if was.len() != is.len() {
                report(path, was.get(is.len()), is.get(was.len()));
            }
            path.truncate(length);
        }
        (old, copy) if old == copy => (),
        (old, copy) => report(path, Some(old), Some(copy)),
    }
}

/// Goes into a member, and returns where the path ended before.
fn enter(path: &mut String, key: &str) -> usize {
    let length = path.len();
    path.push('/');
    if is_of_somebody(key) {
        path.push('*');
    } else {
        // RFC 6901 section 3.
        path.push_str(&key.replace('~', "~0").replace('/', "~1"));
    }
    length
}

/// Whether a member's name is data, such as whom it is about, and no word of the API: a number or a date, a long hexadecimal one such
/// as a UUID, one with many digits, or what nobody would write into a program. Places are shown to people whatever samples are, and
/// whoever could put control characters there could write to their terminals.
fn is_of_somebody(key: &str) -> bool {
    const LONG: usize = 16;
    /// Of an API's own words: `@id`, `$ref`, `xlink:href`, `created-at`, `größe`.
    const WORD_MAX: usize = 64;
    const DIGITS_MAX: usize = 8;
    let name = key.strip_prefix(['@', '$']).unwrap_or(key);
    let is_of_word =
        |it: char| it.is_alphanumeric() || matches!(it, '_' | '-' | '.' | ':' | '/' | '~');
    let has_letter = name.chars().any(char::is_alphabetic);
    let digits = name.bytes().filter(u8::is_ascii_digit).count();
    let is_hexadecimal = |it: u8| it.is_ascii_hexdigit() || it == b'-';
    let is_digest = name.len() >= LONG && name.bytes().all(is_hexadecimal);
    let is_word = has_letter || name.chars().all(|it| it == '_');
    name.len() > WORD_MAX
        || digits >= DIGITS_MAX
        || is_digest
        || !is_word
        || !name.chars().all(is_of_word)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn places(old: &Value, copy: &Value) -> Vec<String> {
        let mut found = Vec::new();
        differences(old, copy, &mut |path, was, is| {
            let shown = |it: Option<&Value>| it.map_or_else(|| "-".to_owned(), ToString::to_string);
            found.push(format!("{path} {} {}", shown(was), shown(is)));
        });
        found
    }

    #[test]
    fn each_place_is_named_once_for_what_differs_there() {
        let old = json!({"a": 1, "b": {"c": [1, 2]}, "gone": null, "x/y~z": "q"});
        let copy = json!({"b": {"c": [1, 3]}, "a": 1, "came": true, "x/y~z": "r"});
        assert_eq!(
            places(&old, &copy),
            [
                "/b/c/* 2 3",
                "/gone null -",
                "/x~1y~0z \"q\" \"r\"",
                "/came - true"
            ]
        );
    }

    #[test]
    fn the_order_of_members_does_not_matter_and_types_do() {
        assert!(places(&json!({"a": 1, "b": 2}), &json!({"b": 2, "a": 1})).is_empty());
        assert_eq!(places(&json!(1), &json!("1")), [" 1 \"1\""]);
        assert_eq!(places(&json!({"n": 1}), &json!({"n": 1.0})), ["/n 1 1.0"]);
    }

    #[test]
    fn lists_of_other_lengths_differ_in_what_is_too_many() {
        assert_eq!(places(&json!([1, 2, 3]), &json!([1, 2])), ["/* 3 -"]);
        assert_eq!(places(&json!([1]), &json!([1, 5])), ["/* - 5"]);
    }

    #[test]
    fn members_that_are_named_by_data_share_a_place() {
        let old = json!({"8231": {"n": 1}, "0123456789abcdef": 2, "v2": 3});
        let copy = json!({"8231": {"n": 9}, "0123456789abcdef": 9, "v2": 9});
        assert_eq!(places(&old, &copy), ["/* 2 9", "/*/n 1 9", "/v2 3 9"]);
    }

    #[test]
    fn whom_a_member_is_about_is_not_named() {
        let long = "x".repeat(65);
        for name in [
            "ada@example.org",
            "Ada Lovelace",
            "+49 30 1234",
            "2026-11-27",
            "session_81736450912",
            "\u{1b}[31mred",
            &long,
        ] {
            let object =
                |value| Value::Object([(name.to_owned(), json!(value))].into_iter().collect());
            assert_eq!(places(&object(1), &object(2)), ["/* 1 2"], "{name}");
        }
        for name in ["@id", "$ref", "created-at", "iso3166", "größe", "_", ""] {
            let object =
                |value| Value::Object([(name.to_owned(), json!(value))].into_iter().collect());
            assert_eq!(places(&object(1), &object(2)), [format!("/{name} 1 2")]);
        }
    }
}

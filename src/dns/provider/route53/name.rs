//! Names as Route 53 writes them: in lower case, with a dot at the end, and what is no letter, digit, `-` or `_` as a backslash
//! with three octal digits, `\052` for an asterisk. Zone files have decimal ones there.

use hickory_resolver::proto::rr::Name;

/// A name as Route 53 writes it.
pub(super) fn written(name: &Name) -> String {
    let mut text = String::new();
    for label in name.to_lowercase().iter() {
        for byte in label {
            match byte {
                b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' => text.push(char::from(*byte)),
                other => {
                    let digits = [other >> 6, (other >> 3) & 7, other & 7];
                    text.push('\\');
                    text.extend(digits.map(|it| char::from(b'0' + it)));
                }
            }
        }
        text.push('.');
    }
    if text.is_empty() {
        text.push('.');
    }
    text
}

/// Reads one, in any case, with or without its last dot; `None` if it is no name.
pub(super) fn read(text: &str) -> Option<Name> {
    let mut labels = vec![Vec::new()];
    let mut bytes = text.strip_suffix('.').unwrap_or(text).bytes();
    while let Some(byte) = bytes.next() {
        if byte == b'.' {
            labels.push(Vec::new());
            continue;
        }
        let byte = match byte {
            b'\\' => octal([bytes.next()?, bytes.next()?, bytes.next()?])?,
            other => other,
        };
        labels.last_mut()?.push(byte);
    }
    if labels.iter().any(Vec::is_empty) {
        return None;
    }
    let mut name = Name::from_labels(labels).ok()?.to_lowercase();
    name.set_fqdn(true);
    Some(name)
}

fn octal(digits: [u8; 3]) -> Option<u8> {
    digits.iter().try_fold(0_u8, |value, digit| {
        let digit = char::from(*digit).to_digit(8)?;
        value.checked_mul(8)?.checked_add(u8::try_from(digit).ok()?)
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn names_are_written_as_route_53_has_them() {
        let check = |name: &str, expected: &str| {
            let name = Name::from_ascii(name).expect("a name");
            assert_eq!(written(&name), expected);
        };
        check("Shop.Example.Test.", "shop.example.test.");
        check("shop.example.test", "shop.example.test.");
        check("*.example.test.", "\\052.example.test.");
        check("_dmarc.a-b.example.test.", "_dmarc.a-b.example.test.");
    }

    #[test]
    fn names_are_read_in_any_case_with_and_without_a_last_dot() {
        let check = |text: &str, expected: Option<&str>| {
            let expected = expected.map(|it| {
                let labels = it.split('.').map(str::as_bytes);
                let mut name = Name::from_labels(labels).expect("a name");
                name.set_fqdn(true);
                name
            });
            assert_eq!(read(text), expected, "{text}");
        };
        check("shop.example.test.", Some("shop.example.test"));
        check("SHOP.example.TEST", Some("shop.example.test"));
        check("\\052.example.test.", Some("*.example.test"));
        check("a\\100b.example.test.", Some("a@b.example.test"));
        for wrong in [
            "",
            ".",
            "a..b.",
            "\\05.test.",
            "\\058.test.",
            "\\400.test.",
            "\\",
        ] {
            check(wrong, None);
        }
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_as_the_same(
            labels in prop::collection::vec(prop::collection::vec(any::<u8>(), 1..12), 1..6)
        ) {
            let mut name = Name::from_labels(labels).expect("a name").to_lowercase();
            name.set_fqdn(true);
            let text = written(&name);
            prop_assert!(text.bytes().all(|it| it.is_ascii_graphic()));
            prop_assert_eq!(read(&text), Some(name));
        }

        #[test]
        fn no_text_is_too_strange_to_be_read(text in "\\PC{0,80}") {
            let _either = read(&text);
        }
    }
}

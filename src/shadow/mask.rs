//! What samples show of values: their shape.

/// The longest value that is shown, in characters.
const LONGEST: usize = 160;

/// A value in which each letter is `a` or `A` and each digit `9`: what was a time, a number or a word can still be told,
/// what it said cannot. Truncated if it is long.
pub(super) fn masked(value: &str) -> String {
    // These three say nothing of anybody.
    if matches!(value, "true" | "false" | "null") {
        return value.to_owned();
    }
    shortened(value.chars().map(|it| match it {
        '0'..='9' => '9',
        _ if it.is_uppercase() => 'A',
        _ if it.is_alphanumeric() => 'a',
        _ if it.is_control() => ' ',
        _ => it,
    }))
}

/// A value as it is. Truncated if it is long.
pub(super) fn shown(value: &str) -> String {
    shortened(
        value
            .chars()
            .map(|it| if it.is_control() { ' ' } else { it }),
    )
}

fn shortened(mut characters: impl Iterator<Item = char>) -> String {
    let mut text: String = characters.by_ref().take(LONGEST).collect();
    if characters.next().is_some() {
        text.push('…');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_masked_value_keeps_its_shape_and_nothing_else() {
        assert_eq!(masked("\"Ada 1815-12-10\""), "\"Aaa 9999-99-99\"");
        assert_eq!(masked("Straße, ünïcode"), "Aaaaaa, aaaaaaa");
        assert_eq!(masked("\u{1b}[31m"), " [99a");
        assert_eq!(masked("true"), "true");
        assert_eq!(masked("truly"), "aaaaa");
        assert_eq!(masked(&"x".repeat(500)).chars().count(), LONGEST + 1);
        assert_eq!(shown("a\nb"), "a b");
    }
}

//! The valid word nearest to a mistyped one.

/// The candidate that `word` most likely means: few edits away, whatever its case, `-` or `_`.
pub(super) fn nearest<'a>(
    word: &str,
    candidates: impl IntoIterator<Item = &'a str>,
) -> Option<&'a str> {
    let word = normal(word);
    let distance = |candidate: &str| strsim::osa_distance(&word, &normal(candidate));
    let allowed = (word.chars().count() / 3).max(1);
    candidates
        .into_iter()
        .map(|it| (distance(it), it))
        .filter(|(edits, _)| *edits <= allowed)
        .min_by_key(|(edits, _)| *edits)
        .map(|(_, it)| it)
}

/// The question that offers the nearest word, for a fault's remedy.
pub(super) fn did_you_mean<'a>(
    word: &str,
    candidates: impl IntoIterator<Item = &'a str>,
) -> Option<String> {
    nearest(word, candidates).map(|it| format!("did you mean {it:?}?"))
}

/// What two spellings of one word share. Only as long as a word can be, since edits are counted in quadratic time.
fn normal(word: &str) -> String {
    const LONGEST: usize = 64;
    let letters = word.chars().take(LONGEST);
    letters
        .map(|it| if it == '-' { '_' } else { it })
        .flat_map(char::to_lowercase)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn offers_the_nearest_word_or_none() {
        let check = |word, expected| {
            let words = ["endpoints", "health", "client-ip", "old", "new"];
            assert_eq!(nearest(word, words), expected, "for {word:?}");
        };
        check("enpoints", Some("endpoints"));
        check("endpoint", Some("endpoints"));
        check("Health", Some("health"));
        check("client_ip", Some("client-ip"));
        check("odl", Some("old"));
        check("backend", None);
        check("", None);
    }
}

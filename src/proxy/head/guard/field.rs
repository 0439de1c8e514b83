//! One header or trailer line.

use std::ops::Range;

use crate::proxy::head::Underscores;

/// Splits a line without its line end into the name and the place of the value; `None` unless the name is a token,
/// ends directly at the colon (RFC 9112 section 5.1), and obeys the rule for underscores.
pub(super) fn split(line: &[u8], underscores: Underscores) -> Option<(&[u8], Range<usize>)> {
    let colon = line.iter().position(|b| *b == b':')?;
    let name = &line[..colon];
    let allowed = |byte: &u8| match (byte, underscores) {
        (b'_', Underscores::Refuse) => false,
        (b'_', Underscores::Accept) => true,
        _ => is_token_byte(*byte),
    };
    let is_name = !name.is_empty() && name.iter().all(allowed);
    is_name.then(|| (name, trimmed(line, colon + 1)))
}

/// The place of what stands from `start` on, without optional white space around it.
fn trimmed(line: &[u8], start: usize) -> Range<usize> {
    let is_text = |byte: &u8| !matches!(byte, b' ' | b'\t');
    let value = &line[start..];
    match (
        value.iter().position(is_text),
        value.iter().rposition(is_text),
    ) {
        (Some(first), Some(last)) => start + first..start + last + 1,
        _ => start..start,
    }
}

/// RFC 9110 section 5.6.2.
pub(super) const fn is_token_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric()
        || matches!(
            byte,
            b'!' | b'#'
                | b'$'
                | b'%'
                | b'&'
                | b'\''
                | b'*'
                | b'+'
                | b'-'
                | b'.'
                | b'^'
                | b'_'
                | b'`'
                | b'|'
                | b'~'
        )
}

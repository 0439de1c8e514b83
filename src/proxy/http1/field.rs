//! One header or trailer line.

use std::ops::Range;

use crate::proxy::head::Underscores;

/// Splits a line without its line end into the name and the place of the value; `None` unless the name is a token,
/// ends directly at the colon (RFC 9112 section 5.1), and obeys the rule for underscores.
pub(super) fn split(line: &[u8], underscores: Underscores) -> Option<(&[u8], Range<usize>)> {
    let end = line.iter().position(|b| !TOKEN[usize::from(*b)])?;
    let name = &line[..end];
    let has_underscore = underscores == Underscores::Refuse && name.contains(&b'_');
    let is_name = !name.is_empty() && line[end] == b':' && !has_underscore;
    is_name.then(|| (name, trimmed(line, end + 1)))
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

/// Whether the bytes are a token (RFC 9110 section 5.6.2).
pub(super) fn is_token(bytes: &[u8]) -> bool {
    bytes.iter().all(|b| TOKEN[usize::from(*b)])
}

/// Which bytes a token may hold.
const TOKEN: [bool; 256] = {
    let mut table = [false; 256];
    let mut byte = 0_u8;
    loop {
        table[byte as usize] = byte.is_ascii_alphanumeric()
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
            );
        if byte == u8::MAX {
            break table;
        }
        byte += 1;
    }
};

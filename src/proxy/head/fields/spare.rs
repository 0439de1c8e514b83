//! Memory of heads that are gone, for those to come on the same thread.
//!
//! A worker has as many heads in work as it has clients that ask at once. An allocator keeps a few pieces of each size at hand and
//! looks for every further one.

use std::cell::RefCell;

use super::Line;

/// How much of each kind a thread keeps.
const KEPT_MAX: usize = 256;

/// Larger pieces are not kept. A megabyte of text at most, and as much of lines.
const TEXT_BYTES_MAX: usize = 4 << 10;
const LINES_MAX: usize = TEXT_BYTES_MAX / size_of::<Line>();

thread_local! {
    static SPARE: RefCell<Spare> = const { RefCell::new(Spare { texts: Vec::new(), lines: Vec::new() }) };
}

struct Spare {
    texts: Vec<Vec<u8>>,
    lines: Vec<Vec<Line>>,
}

/// Empty, with room for so many bytes and lines.
pub(super) fn take(bytes: usize, count: usize) -> (Vec<u8>, Vec<Line>) {
    // Where the thread ends, nothing is at hand.
    let spare = SPARE.try_with(|it| {
        let mut it = it.borrow_mut();
        (it.texts.pop(), it.lines.pop())
    });
    let (text, lines) = spare.unwrap_or_default();
    (with_room(text, bytes), with_room(lines, count))
}

/// Keeps both for later, unless there is enough.
pub(super) fn put(text: Vec<u8>, lines: Vec<Line>) {
    // Where the thread ends, they are freed.
    let kept = SPARE.try_with(|it| {
        let mut it = it.borrow_mut();
        keep(&mut it.texts, text, TEXT_BYTES_MAX);
        keep(&mut it.lines, lines, LINES_MAX);
    });
    kept.unwrap_or_default();
}

fn with_room<T>(spare: Option<Vec<T>>, count: usize) -> Vec<T> {
    let Some(mut piece) = spare else {
        return Vec::with_capacity(count);
    };
    piece.reserve(count);
    piece
}

fn keep<T>(kept: &mut Vec<Vec<T>>, mut piece: Vec<T>, most: usize) {
    if (1..=most).contains(&piece.capacity()) && kept.len() < KEPT_MAX {
        piece.clear();
        kept.push(piece);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kept() -> (usize, usize) {
        SPARE.with_borrow(|it| (it.texts.len(), it.lines.len()))
    }

    #[test]
    fn what_is_put_is_taken_again_and_is_empty() {
        put(b"host: a".to_vec(), Vec::new());
        assert_eq!(kept(), (1, 0));
        let (text, lines) = take(3, 2);
        assert_eq!((text.as_slice(), text.capacity()), (&[][..], 7));
        assert!(lines.is_empty() && lines.capacity() >= 2);
        assert_eq!(kept(), (0, 0));
        put(text, lines);
        assert!(take(100, 1).0.capacity() >= 100);
    }

    #[test]
    fn no_more_is_kept_than_is_said_and_nothing_large() {
        put(
            Vec::with_capacity(TEXT_BYTES_MAX + 1),
            Vec::with_capacity(LINES_MAX + 1),
        );
        assert_eq!(kept(), (0, 0));
        for _ in 0..=KEPT_MAX {
            put(
                Vec::with_capacity(TEXT_BYTES_MAX),
                Vec::with_capacity(LINES_MAX),
            );
        }
        assert_eq!(kept(), (KEPT_MAX, KEPT_MAX));
    }
}

//! What sections are read with: values that know their place, and a list of everything that is wrong.
//!
//! A [`Section`] is a table with the keys it may hold; asking it for a key gives a [`Value`], which a function of
//! `read` turns into what the plan needs. Whatever is wrong on the way is noted and reading goes on, so that one pass
//! finds all faults; the plan counts only if none was noted.

mod read;
mod section;
mod value;

use std::{cell::RefCell, ffi::OsString, fmt, path::Path};

pub(super) use read::{boolean, choice, count, duration, list, parsed, percentage, size, text};
pub(super) use section::{Section, Shape};
pub(super) use value::Value;

use super::fault::{Complaint, Fault, Place};

/// One file being read.
pub(super) struct Reader<'t> {
    /// The file's name in faults.
    pub(super) file: &'t Path,
    /// Its text.
    pub(super) text: &'t str,
    /// What the world around the file holds.
    pub(super) surroundings: Surroundings<'t>,
    /// What is wrong so far.
    faults: RefCell<Vec<Fault>>,
}

/// What a file refers to outside itself.
#[derive(Clone, Copy)]
pub(super) struct Surroundings<'t> {
    /// The directory that relative paths start from.
    pub(super) base_dir: &'t Path,
    /// The environment variables.
    pub(super) environment: &'t dyn Fn(&str) -> Option<OsString>,
    /// The files.
    pub(super) files: Files,
}

/// Whether the files that a configuration names are at hand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Files {
    /// They have to be.
    Read,
    /// They were once, and what is in them does not matter.
    StoodInFor,
}

impl<'t> Reader<'t> {
    /// A reader that has found nothing wrong yet.
    pub(super) const fn new(file: &'t Path, text: &'t str, surroundings: Surroundings<'t>) -> Self {
        Self {
            file,
            text,
            surroundings,
            faults: RefCell::new(Vec::new()),
        }
    }

    /// Notes what is wrong at a byte of the text.
    pub(super) fn note(&self, offset: usize, complaint: Complaint) {
        let place = self.place(offset);
        self.faults.borrow_mut().push(Fault { place, complaint });
    }

    /// Everything noted.
    pub(super) fn into_faults(self) -> Vec<Fault> {
        self.faults.into_inner()
    }

    /// The line of a byte of the text, counted from 1.
    pub(super) fn line(&self, offset: usize) -> usize {
        self.before(offset).matches('\n').count() + 1
    }

    fn place(&self, offset: usize) -> Place {
        let line = self.before(offset).rsplit('\n').next().unwrap_or_default();
        Place::File {
            file: self.file.to_owned(),
            line: self.line(offset),
            column: line.chars().count() + 1,
        }
    }

    /// The text before a byte; before the character that the byte belongs to, if it is within one.
    fn before(&self, offset: usize) -> &'t str {
        let end = self.text.floor_char_boundary(offset);
        self.text.get(..end).unwrap_or(self.text)
    }
}

impl fmt::Debug for Reader<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reader")
            .field("file", &self.file)
            .finish_non_exhaustive()
    }
}

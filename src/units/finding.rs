//! One answer to one question that a check asks, with what to do about it.

use std::fmt;

use serde::Serialize;

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Answer {
    /// Nothing to do.
    Pass,
    /// Somebody should look at it.
    Warn,
    /// It has to be put right first.
    Fail,
}

/// What one check found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// What was asked.
    pub check: &'static str,
    /// How bad it is.
    pub answer: Answer,
    /// What it is about, such as a table or a name; none where it is about the whole.
    pub object: Option<String>,
    /// What was found.
    pub found: String,
    /// What to do; none where there is nothing to do.
    pub remedy: Option<String>,
}

/// In one line: what was asked, about what, and what was found.
impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: ", self.check)?;
        if let Some(object) = &self.object {
            write!(f, "{object}: ")?;
        }
        f.write_str(&self.found)
    }
}

/// A finding that does not know yet which question it answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    answer: Answer,
    object: Option<String>,
    found: String,
    remedy: Option<String>,
}

impl Fault {
    /// Nothing is to be done.
    #[must_use]
    pub fn pass(found: impl Into<String>) -> Self {
        Self {
            answer: Answer::Pass,
            object: None,
            found: found.into(),
            remedy: None,
        }
    }

    /// Somebody should look at it.
    #[must_use]
    pub fn warn(found: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self {
            answer: Answer::Warn,
            remedy: Some(remedy.into()),
            ..Self::pass(found)
        }
    }

    /// It has to be put right first.
    #[must_use]
    pub fn fail(found: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self {
            answer: Answer::Fail,
            ..Self::warn(found, remedy)
        }
    }

    /// The same, about this object.
    #[must_use]
    pub fn about(self, object: impl Into<String>) -> Self {
        Self {
            object: Some(object.into()),
            ..self
        }
    }

    /// As the answer to this question.
    #[must_use]
    pub fn of(self, check: &'static str) -> Finding {
        Finding {
            check,
            answer: self.answer,
            object: self.object,
            found: self.found,
            remedy: self.remedy,
        }
    }
}

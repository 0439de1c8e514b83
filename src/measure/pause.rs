//! Why no further client is accepted for a while.

/// What is used up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pause {
    /// The connections that there may be at once, by the plan or by the descriptors that the process may have.
    Connections,
    /// File descriptors or memory of the system.
    Descriptors,
}

impl Pause {
    /// Every cause, in the order of its index.
    pub const ALL: [Self; 2] = [Self::Connections, Self::Descriptors];

    /// Its place in [`Pause::ALL`].
    #[must_use]
    pub const fn index(self) -> usize {
        self as usize
    }

    /// The value of the label `cause`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Connections => "connections",
            Self::Descriptors => "descriptors",
        }
    }
}

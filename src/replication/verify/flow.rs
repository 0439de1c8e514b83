//! Which way changes flow, and through which slots.

use crate::{
    replication::catalog::Catalog,
    units::{PerSide, Side},
};

/// One direction of replication as it is set up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Flow {
    pub(crate) from: Side,
    pub(crate) to: Side,
    /// The slots that the subscriptions read from.
    pub(crate) slots: Vec<String>,
}

/// Why there is no direction to compare along.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum FlowError {
    /// Nothing is set up.
    #[error(
        "no subscription on {0} reads from a slot of the other side; set replication up first \
        (`replication setup --plan`)"
    )]
    None(String),
    /// Both are set up, and nobody said which.
    #[error("both directions are set up; say --from old or --from new")]
    Both,
    /// It is set up, and stands still.
    #[error(
        "the subscription {subscription} on {to} is disabled, so that nothing can be waited for"
    )]
    Disabled {
        /// The subscription.
        subscription: String,
        /// Where it is.
        to: Side,
    },
}

impl Flow {
    /// The one direction that is set up, or the one asked for.
    pub(crate) fn find(sides: &PerSide<Catalog>, from: Option<Side>) -> Result<Self, FlowError> {
        let flows = Side::ALL.map(|from| Self::of(sides, from));
        let [old, new] = &flows;
        let found = match from {
            Some(Side::Old) => old,
            Some(Side::New) => new,
            None if old.slots.is_empty() => new,
            None if new.slots.is_empty() => old,
            None => return Err(FlowError::Both),
        };
        if found.slots.is_empty() {
            let on = from.map_or_else(|| "either side".to_owned(), |it| it.other().to_string());
            return Err(FlowError::None(on));
        }
        let mut subscriptions = sides[found.to].subscriptions.iter();
        match subscriptions.find(|it| !it.is_enabled) {
            Some(disabled) => Err(FlowError::Disabled {
                subscription: disabled.name.clone(),
                to: found.to,
            }),
            None => Ok(found.clone()),
        }
    }

    fn of(sides: &PerSide<Catalog>, from: Side) -> Self {
        let to = from.other();
        let subscriptions = sides[to].subscriptions.iter();
        let slots = subscriptions.filter_map(|it| it.slot.as_ref());
        let is_there = |name: &&String| sides[from].slots.iter().any(|it| it.name == **name);
        Self {
            from,
            to,
            slots: slots.filter(is_there).cloned().collect(),
        }
    }
}

//! What requests stand on: one worker's endpoints, under the edition of the plan that they were taken in by. A request keeps
//! its footing to its end, whatever is reloaded meanwhile.

use std::{rc::Rc, sync::Arc};

use crate::{
    plan::Plan,
    proxy::{Shared, body::Upload, buffers::Buffers, setup::Setup, upstream::Upstreams},
    split::SplitTable,
};

/// What requests stand on.
pub(crate) struct Footing {
    pub(crate) setup: Arc<Setup>,
    pub(crate) upstreams: Upstreams<Upload>,
}

impl Footing {
    /// The first one of a worker.
    pub(crate) fn first(shared: &Shared, setup: Arc<Setup>, buffers: Rc<Buffers>) -> Rc<Self> {
        Rc::new(Self {
            upstreams: Upstreams::new(shared, &setup, buffers),
            setup,
        })
    }

    /// The next one, which keeps the connections to endpoints that stay as they were.
    pub(crate) fn next(&self, setup: Arc<Setup>) -> Rc<Self> {
        Rc::new(Self {
            upstreams: self.upstreams.next(&setup),
            setup,
        })
    }

    /// The number of its edition.
    pub(crate) fn number(&self) -> u32 {
        self.setup.edition.number()
    }

    /// The plan.
    pub(crate) fn plan(&self) -> &Arc<Plan> {
        self.setup.plan()
    }

    /// Calls `assign` with the table in force, under the rules of this edition.
    pub(crate) fn with_rules<T>(
        &self,
        table: &SplitTable,
        assign: impl FnOnce(&SplitTable) -> T,
    ) -> T {
        if table.edition == self.number() {
            assign(table)
        } else {
            assign(&self.setup.rules(table))
        }
    }
}

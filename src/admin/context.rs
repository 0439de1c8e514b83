//! What every request to the admin API is answered from.

use std::sync::Arc;

use arc_swap::ArcSwap;

use crate::{
    admin::{Journal, Orders},
    control::ControlHandle,
    plan::{Edition, Plan},
    shadow,
};

/// The plan, the control loop and the journal.
#[derive(Clone)]
pub struct Context {
    /// The plan in force: the operators, the hosts, the names of routes and endpoints.
    pub edition: Arc<ArcSwap<Edition>>,
    /// The control loop.
    pub control: ControlHandle,
    /// The journal, for reading.
    pub journal: Arc<dyn Journal>,
    /// Who carries out what is asked of the process itself.
    pub orders: Orders,
    /// What copies of requests have shown.
    pub copies: Arc<shadow::Board>,
}

impl Context {
    /// The plan in force.
    pub(crate) fn plan(&self) -> Arc<Plan> {
        Arc::clone(self.edition.load().plan())
    }
}

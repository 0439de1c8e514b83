//! What every request to the admin API is answered from.

use std::sync::Arc;

use crate::{admin::Journal, control::ControlHandle, plan::Plan};

/// The plan, the control loop and the journal.
#[derive(Clone)]
pub struct Context {
    /// The plan in force: the operators, the hosts, the names of routes and endpoints.
    pub plan: Arc<Plan>,
    /// The control loop.
    pub control: ControlHandle,
    /// The journal, for reading.
    pub journal: Arc<dyn Journal>,
}

//! The checked intent: what one cutover shall do and within which limits.
//!
//! `config` is the only maker of a [`Plan`]; whoever holds one checks nothing again. It is plain data: every
//! address parsed, every duration bounded, every name resolved to an index.

mod access;
mod difference;
pub mod dns;
mod drill;
mod edition;
mod evidence;
mod limits;
mod ramp;
mod replication;
mod resolver;
mod route;
mod shadow;
mod split;
mod symptom;
mod trigger;
mod upstream;
mod window;

use std::path::PathBuf;

pub use self::dns::DnsPlan;
pub use access::{
    AdminLimits, AdminPlan, AdminTlsPlan, CertificatePlan, ForwardingPlan, ListenerPlan, Operator,
    Role,
};
pub use difference::Difference;
pub use drill::{DRILL_SPAN_MAX, DRILL_WEIGHT_MAX, DrillFault, Injection};
pub use edition::{Edition, IdsExhausted, Numbers};
pub use evidence::{EvidencePlan, LatencyTolerance};
pub use limits::{Limits, Timeouts, Underscores};
pub use ramp::{
    AdvanceOn, BothBad, DrillGate, Gate, GateCondition, LagGate, RampPlan, RollbackPlan, StartMode,
    Step,
};
pub use replication::{
    ChannelPlan, DatabaseEncryption, DatabasePlan, ReplicationKind, ReplicationPlan,
};
pub use resolver::ResolverPlan;
pub use route::{RouteId, RoutePlan, StaysOnOld};
pub use shadow::{CopiedMethods, Ignored, Pointer, Samples, ShadowPlan, are_compared_alike};
pub use split::{CookiePlan, ForcePlan, Secret, SplitPlan, Sticky, Writes};
pub use symptom::{Symptom, Symptoms};
pub use trigger::{Limit, Reading, Trigger, TripAction};
pub use upstream::{
    EjectionPlan, EndpointId, EndpointPlan, HealthPlan, HostHeader, Http1Codec, Scheme,
    UpstreamPlan, UpstreamTlsPlan, Verification,
};
pub use window::{Recurrence, Window};

use crate::units::PerSide;

/// The whole intent of one configuration file, checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    /// Names this cutover in status, journal and metrics.
    pub name: String,
    /// Where the journal lives: the path of the embedded SQLite database.
    pub store: PathBuf,
    /// Bytes that may be taken by what decisions rested on, beside the journal; 0 where nothing of it is recorded.
    pub observations: usize,
    /// The admin API.
    pub admin: AdminPlan,
    /// Where clients connect; at least one.
    pub listeners: Vec<ListenerPlan>,
    /// The two environments.
    pub upstreams: PerSide<UpstreamPlan>,
    /// How requests are assigned.
    pub split: SplitPlan,
    /// Routes in the order of the file; an [`Edition`] knows their ids. What none of them matches is [`RouteId::REST`].
    pub routes: Vec<RoutePlan>,
    /// The ramp.
    pub ramp: RampPlan,
    /// What the sequential tests are held against.
    pub evidence: EvidencePlan,
    /// What rolls back.
    pub triggers: Vec<Trigger>,
    /// What must hold before advancing.
    pub gates: Vec<Gate>,
    /// How a rollback is done, and how long the way back stays open.
    pub rollback: RollbackPlan,
    /// Whom to believe about the client's address.
    pub forwarding: ForwardingPlan,
    /// Who says where endpoints' names lead.
    pub resolver: ResolverPlan,
    /// Databases that replicate from old to new.
    pub replications: Vec<ReplicationPlan>,
    /// What is copied to compare both sides; `None` where nothing is.
    pub shadow: Option<ShadowPlan>,
    /// What moves in DNS; `None` where nothing does.
    pub dns: Option<DnsPlan>,
    /// How long anything may take.
    pub timeouts: Timeouts,
    /// How much of anything there may be.
    pub limits: Limits,
    /// Worker threads of the data plane; one a core by default.
    pub workers: usize,
}

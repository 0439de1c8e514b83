//! What carrying out one edition of the plan takes: certificates read, routes compiled, the board of its endpoints.
//!
//! It is made whole before anybody sees it, on the thread that reloads, so that a certificate that cannot be used changes
//! nothing. Workers take it up when the split table names its number: at their next request, or at their next turn.

use std::sync::Arc;

use arc_swap::ArcSwap;
use rustls::ServerConfig;

use crate::{
    measure::Board,
    plan::{Edition, Plan},
    proxy::{StartError, tls, upstream::ClientTls},
    split::{RouteTable, SplitTable},
    units::PerSide,
};

/// What carrying out one edition takes.
#[derive(Debug)]
pub struct Setup {
    /// The edition.
    pub edition: Edition,
    /// Which of its endpoints are in choice.
    pub board: Arc<Board>,
    /// TLS towards its endpoints.
    pub(crate) client_tls: PerSide<ClientTls>,
    /// TLS towards clients, by listener; `None` where it is plain.
    pub(crate) server_tls: Vec<Option<Arc<ServerConfig>>>,
    /// TLS of the admin API, apart from that of the environments; `None` where it is plain.
    pub(crate) admin_tls: Option<Arc<ServerConfig>>,
    routes: Arc<RouteTable>,
}

/// Where the newest setup stands. Clones share it.
#[derive(Clone, Debug)]
pub struct Setups(Arc<ArcSwap<Setup>>);

impl Setup {
    /// Reads every certificate that the edition names.
    ///
    /// # Errors
    /// When one cannot be used.
    pub fn load(edition: Edition, board: Arc<Board>) -> Result<Self, StartError> {
        let plan = edition.plan();
        Ok(Self {
            board,
            client_tls: ClientTls::load(plan)?,
            server_tls: tls::load(&plan.listeners)?,
            admin_tls: plan.admin.tls.as_ref().map(tls::admin_tls).transpose()?,
            routes: Arc::new(RouteTable::of(&edition)),
            edition,
        })
    }

    /// The plan.
    #[must_use]
    pub const fn plan(&self) -> &Arc<Plan> {
        self.edition.plan()
    }

    /// `table` with the rules of this edition: for a request that was taken in under it, and is assigned again after
    /// another one came into force.
    pub(crate) fn rules(&self, table: &SplitTable) -> SplitTable {
        SplitTable {
            edition: self.edition.number(),
            split: Arc::new(self.plan().split.clone()),
            routes: Arc::clone(&self.routes),
            ..table.clone()
        }
    }
}

impl Setups {
    /// Begins with `setup`.
    #[must_use]
    pub fn new(setup: Arc<Setup>) -> Self {
        Self(Arc::new(ArcSwap::new(setup)))
    }

    /// The newest one.
    #[must_use]
    pub fn load(&self) -> Arc<Setup> {
        self.0.load_full()
    }

    /// Puts the next one there, for workers to take up.
    pub fn store(&self, setup: Arc<Setup>) {
        self.0.store(setup);
    }
}

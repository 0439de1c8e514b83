//! Both sides' endpoints as one worker sees them, and how a request gets a connection to one.

use std::{
    cell::{Cell, RefCell},
    error::Error,
    rc::{Rc, Weak},
    sync::Arc,
    time::Instant,
};

use crate::{
    clock::{self, Clock},
    measure::{Board, Connects, Standing},
    plan::{EndpointId, Limit, Plan, Reading, Scheme},
    proxy::{
        Alarm, Shared,
        buffers::Buffers,
        pipe::Flow,
        setup::Setup,
        upstream::{
            choose::choose,
            dial::Want,
            endpoint::{AcquireError, Common, Endpoint, Origin},
            error::{ConnectError, DialError},
            lease::{Held, Lease},
            outage::Outage,
        },
    },
    units::{PerSide, Side},
};

/// Endpoints that one request tries to connect to before it gives up.
const CONNECTS_MAX: usize = 3;

/// The endpoints of both sides, with this worker's connections to them.
pub(crate) struct Upstreams<B> {
    sides: PerSide<Vec<Rc<Endpoint<B>>>>,
    plan: Arc<Plan>,
    board: Arc<Board>,
    connects: Arc<Connects>,
    /// Failures in a row on the new side at which a trigger trips.
    alarm_at: Vec<u32>,
    alarm: Alarm,
    /// Whether the system gives what connecting needs.
    exhausted: Outage,
    clock: Clock,
    common: Common,
    random: RefCell<fastrand::Rng>,
}

impl<B> Upstreams<B>
where
    B: Flow + 'static,
    B::Error: Into<Box<dyn Error + Send + Sync>>,
{
    /// The endpoints of `setup`, not connected yet.
    pub(crate) fn new(shared: &Shared, setup: &Setup, buffers: Rc<Buffers>) -> Self {
        let common = Common {
            swept: Rc::new(Cell::new(clock::now())),
            buffers,
        };
        Self {
            sides: endpoints(setup, &common, |_| None),
            alarm_at: alarm_at(setup.plan()),
            plan: Arc::clone(setup.plan()),
            board: Arc::clone(&setup.board),
            connects: Arc::clone(&shared.connects),
            alarm: Arc::clone(&shared.alarm),
            exhausted: Outage::default(),
            clock: shared.clock,
            common,
            random: RefCell::new(fastrand::Rng::new()),
        }
    }

    /// The endpoints of the next setup; those that it leaves as they are keep their connections.
    pub(crate) fn next(&self, setup: &Setup) -> Self {
        let kept = |id: EndpointId| {
            let mut known = self.sides[id.side].iter();
            let found = known.find(|it| it.id == id && it.stays(setup.plan()));
            found.cloned()
        };
        Self {
            sides: endpoints(setup, &self.common, kept),
            alarm_at: alarm_at(setup.plan()),
            plan: Arc::clone(setup.plan()),
            board: Arc::clone(&setup.board),
            connects: Arc::clone(&self.connects),
            alarm: Arc::clone(&self.alarm),
            exhausted: Outage::default(),
            clock: self.clock,
            common: self.common.clone(),
            random: RefCell::new(fastrand::Rng::new()),
        }
    }

    /// The endpoints that are not among those of `next`: what they have open ends with the requests under way.
    pub(crate) fn left_by(&self, next: &Self) -> impl Iterator<Item = Weak<Endpoint<B>>> {
        let all = Side::ALL.into_iter().flat_map(|side| &self.sides[side]);
        let left = all.filter(|it| {
            let mut kept = next.sides[it.id.side].iter();
            !kept.any(|kept| Rc::ptr_eq(kept, it))
        });
        left.map(Rc::downgrade)
    }

    /// A connection to one of `side`'s endpoints, not to the one at index `avoid` if there is another. Tries further
    /// endpoints where connecting fails.
    ///
    /// # Errors
    /// When no endpoint is in choice, none could be connected to, or the connections to it stayed in use.
    pub(crate) async fn lease(
        &self,
        side: Side,
        want: Want,
        avoid: Option<u16>,
    ) -> Result<Lease<B>, ConnectError> {
        let began = self.common.swept.get();
        let leased = self.lease_uncounted(side, want, avoid).await;
        if let Err(error) = &leased
            && error.is_unreachable()
        {
            self.count_failure(side, began);
        }
        leased
    }

    /// As [`Upstreams::lease`], for a request whose failure is no evidence: a tester's must move nobody's weight.
    ///
    /// # Errors
    /// As there.
    pub(crate) async fn lease_uncounted(
        &self,
        side: Side,
        want: Want,
        avoid: Option<u16>,
    ) -> Result<Lease<B>, ConnectError> {
        let mut tried = Tried::default();
        let mut failure = None;
        while let Some(endpoint) = self.choose(side, want, avoid, &tried) {
            let in_flight = endpoint.enter();
            let vintage = endpoint.pool.vintage();
            match endpoint.acquire(want).await {
                Ok((connection, origin)) => {
                    if origin == Origin::Opened {
                        self.connected(endpoint);
                    }
                    let held = Held {
                        connection,
                        in_flight,
                        vintage,
                    };
                    let connects = Arc::clone(&self.connects);
                    let lease = Lease::new(held, (origin, endpoint.plan.scheme), connects);
                    let is_reused = lease.is_reused();
                    tracing::debug!(%side, endpoint = %endpoint.plan, is_reused, "leased a connection");
                    return Ok(lease);
                }
                Err(AcquireError::Full) => return Err(ConnectError::PoolFull(endpoint.id)),
                // Another endpoint could not be connected to either, and none of them is to blame.
                Err(AcquireError::Dial(source)) if source.is_own() => {
                    if self.exhausted.failed(self.common.swept.get()) {
                        tracing::warn!(%side, error = %Chain(&source), "the system lets nothing be connected to");
                    }
                    return Err(ConnectError::Exhausted { side, source });
                }
                Err(AcquireError::Dial(source)) => {
                    self.connect_failed(endpoint, &source);
                    tried.add(endpoint.id.index);
                    let endpoint = endpoint.id;
                    failure = Some(ConnectError::Failed { endpoint, source });
                }
            }
        }
        Err(failure.unwrap_or_else(|| self.nothing_to_try(side, want)))
    }

    fn choose(
        &self,
        side: Side,
        want: Want,
        avoid: Option<u16>,
        tried: &Tried,
    ) -> Option<&Rc<Endpoint<B>>> {
        if tried.is_full() {
            return None;
        }
        let endpoints = &self.sides[side];
        let now = self.clock.timestamp_of(self.common.swept.get());
        let can = |it: &Endpoint<B>| {
            let speaks = want != Want::Http1 || it.plan.scheme != Scheme::H2c;
            speaks && !tried.has(it.id.index)
        };
        let standing = |it: &Endpoint<B>| self.board.standing(it.id, now);
        let usable = |it: &Endpoint<B>| can(it) && standing(it) == Standing::Usable;
        let pick = |allowed: &dyn Fn(&Endpoint<B>) -> bool| {
            let mut random = self.random.borrow_mut();
            let at = choose(
                endpoints.len(),
                |it| allowed(&endpoints[it]),
                |it| endpoints[it].in_flight(),
                |below| random.usize(..below),
            );
            at.map(|at| &endpoints[at])
        };
        let preferred = pick(&|it| usable(it) && Some(it.id.index) != avoid);
        let found = preferred.or_else(|| pick(&usable));
        if found.is_some() || !tried.is_empty() {
            return found;
        }
        // Ejection never makes a side unusable, not even where two workers ejected its last two endpoints at once.
        let ejected = |it: &Endpoint<B>| matches!(standing(it), Standing::Ejected(_));
        let found = pick(&|it| can(it) && ejected(it));
        // For old there is nowhere else: a failing health check must not take down a site that works.
        found.or_else(|| if side == Side::Old { pick(&can) } else { None })
    }

    fn connected(&self, endpoint: &Endpoint<B>) {
        self.connects.succeeded(endpoint.id.side);
        if self.exhausted.succeeded() {
            tracing::info!("the system lets endpoints be connected to again");
        }
        let now = self.clock.timestamp();
        if endpoint.ejection.succeeded(endpoint.id, &self.board, now) {
            tracing::info!(side = %endpoint.id.side, endpoint = %endpoint.plan, "admitted an endpoint");
        }
        if endpoint.outage.succeeded() {
            tracing::info!(
                side = %endpoint.id.side, endpoint = %endpoint.plan, "an endpoint can be connected to again"
            );
        }
    }

    fn connect_failed(&self, endpoint: &Endpoint<B>, error: &DialError) {
        let id = endpoint.id;
        let plan = &self.plan.upstreams[id.side].ejection;
        let now = self.clock.timestamp();
        let side = id.side;
        if endpoint.outage.failed(self.common.swept.get()) {
            tracing::warn!(
                %side, endpoint = %endpoint.plan, error = %Chain(error), "an endpoint cannot be connected to"
            );
        } else {
            tracing::debug!(%side, endpoint = %endpoint.plan, error = %Chain(error), "a connect failed");
        }
        if let Some(time) = endpoint.ejection.failed(id, plan, &self.board, now) {
            tracing::warn!(
                %side, endpoint = %endpoint.plan, ?time, error = %Chain(error), "ejected an endpoint"
            );
        }
    }

    fn nothing_to_try(&self, side: Side, want: Want) -> ConnectError {
        let is_h2c = |it: &Rc<Endpoint<B>>| it.plan.scheme == Scheme::H2c;
        if want == Want::Http1 && self.sides[side].iter().all(is_h2c) {
            ConnectError::NoHttp1(side)
        } else {
            ConnectError::NoEndpoint(side)
        }
    }

    /// A drill has a side refuse a request.
    pub(crate) fn refuse(&self, side: Side) {
        self.count_failure(side, self.common.swept.get());
    }

    /// A request got no connection: that counts once, however many endpoints it tried, so that one dead endpoint of
    /// several does not make a side look unreachable.
    /// `began` may be as old as the last sweep, which only makes fresh evidence wait for a tenth of a second.
    fn count_failure(&self, side: Side, began: Instant) {
        let began = self.clock.timestamp_of(began);
        let in_a_row = self.connects.failed(side, began, self.clock.timestamp());
        if side == Side::New && self.alarm_at.contains(&in_a_row) {
            (self.alarm)();
        }
    }
}

impl<B> Upstreams<B> {
    /// Closes connections that have been idle for too long; to be called ten times a second, since it also is what
    /// idle times and ejections are measured by.
    pub(crate) fn sweep(&self, now: Instant) {
        self.common.swept.set(now);
        let Some(oldest) = now.checked_sub(self.plan.timeouts.upstream_idle) else {
            return;
        };
        for side in Side::ALL {
            for endpoint in &self.sides[side] {
                endpoint.sweep(oldest);
            }
        }
    }

    /// Idle connections to an endpoint.
    #[cfg(test)]
    pub(crate) fn idle(&self, id: EndpointId) -> usize {
        self.sides[id.side][usize::from(id.index)].pool.idle()
    }

    /// Sockets to an endpoint that are open or being opened, tunnels included.
    #[cfg(test)]
    pub(crate) fn open(&self, id: EndpointId) -> usize {
        let pool = &self.sides[id.side][usize::from(id.index)].pool;
        pool.slots().open()
    }

    /// Requests under way at an endpoint.
    #[cfg(test)]
    pub(crate) fn in_flight(&self, id: EndpointId) -> usize {
        self.sides[id.side][usize::from(id.index)].in_flight()
    }
}

/// Every endpoint of a setup: the one that `kept` has, or a new one.
fn endpoints<B>(
    setup: &Setup,
    common: &Common,
    kept: impl Fn(EndpointId) -> Option<Rc<Endpoint<B>>>,
) -> PerSide<Vec<Rc<Endpoint<B>>>>
where
    B: Flow + 'static,
    B::Error: Into<Box<dyn Error + Send + Sync>>,
{
    PerSide::from_fn(|side| {
        let tls = &setup.client_tls[side];
        let ids = setup.edition.endpoints(side).map(|(id, _)| id).zip(0..);
        let endpoint = |(id, place)| {
            let new = || {
                Endpoint::new(
                    (id, place),
                    setup.plan(),
                    (tls, &setup.board),
                    common.clone(),
                )
            };
            kept(id).unwrap_or_else(new)
        };
        ids.map(endpoint).collect()
    })
}

/// The failures in a row at which a trigger of the plan trips.
fn alarm_at(plan: &Plan) -> Vec<u32> {
    let triggers = plan.triggers.iter();
    let in_a_row = triggers.filter_map(|trigger| match (trigger.reading, trigger.limit) {
        (Reading::ConnectFailures, Limit::InARow(count)) => Some(count),
        _ => None,
    });
    in_a_row.collect()
}

/// The endpoints that one request has tried.
#[derive(Debug, Default)]
struct Tried {
    indexes: [Option<u16>; CONNECTS_MAX],
}

impl Tried {
    fn add(&mut self, index: u16) {
        if let Some(free) = self.indexes.iter_mut().find(|it| it.is_none()) {
            *free = Some(index);
        }
    }

    fn has(&self, index: u16) -> bool {
        self.indexes.contains(&Some(index))
    }

    fn is_empty(&self) -> bool {
        self.indexes[0].is_none()
    }

    fn is_full(&self) -> bool {
        self.indexes.iter().all(Option::is_some)
    }
}

/// An error with its causes on one line.
pub(crate) struct Chain<'a>(pub(crate) &'a dyn Error);

impl std::fmt::Display for Chain<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}", self.0)?;
        let mut cause = self.0.source();
        while let Some(it) = cause {
            write!(f, ": {it}")?;
            cause = it.source();
        }
        Ok(())
    }
}

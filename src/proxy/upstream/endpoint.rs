//! One endpoint as one worker sees it: its connections, its load, and how connecting to it goes.

use std::{
    cell::{Cell, RefCell},
    error::Error,
    rc::Rc,
    sync::Arc,
    time::{Duration, Instant},
};

use crate::{
    measure::{Board, Resolved},
    plan::{EndpointId, EndpointPlan, Http1Codec, Limits, Plan, Scheme},
    proxy::{
        buffers::Buffers,
        pipe::Flow,
        upstream::{
            connection::{Http1Connection, Http2, HyperHttp1},
            dial::{Target, Want, dial},
            ejection::Ejection,
            error::DialError,
            guard::Floods,
            http1::Http1,
            outage::Outage,
            pool::{Connection, Opening, Pool, Turn, WaitError},
            socket::Protocol,
            tls::ClientTls,
        },
    },
};

/// One endpoint.
#[derive(Debug)]
pub(crate) struct Endpoint<B> {
    pub(crate) id: EndpointId,
    pub(crate) plan: EndpointPlan,
    pub(crate) pool: Pool<B>,
    pub(crate) ejection: Ejection,
    pub(crate) outage: Outage,
    target: Target,
    floods: Rc<Floods>,
    limits: Limits,
    codec: Http1Codec,
    buffers: Rc<Buffers>,
    connect_timeout: Duration,
    in_flight: Cell<usize>,
    board: Arc<Board>,
    /// Where the endpoint's name led at the last sweep.
    resolved: RefCell<Arc<Resolved>>,
    /// The worker's time of its last sweep: precise enough for idle times, and free.
    swept: Rc<Cell<Instant>>,
}

/// What the endpoints of one worker share.
#[derive(Clone, Debug)]
pub(crate) struct Common {
    /// The worker's time of its last sweep.
    pub(crate) swept: Rc<Cell<Instant>>,
    /// The worker's memory.
    pub(crate) buffers: Rc<Buffers>,
}

/// Why an endpoint gave no connection.
#[derive(Debug)]
pub(crate) enum AcquireError {
    /// All connections stayed in use.
    Full,
    /// Connecting failed.
    Dial(DialError),
}

/// Where a connection comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Origin {
    /// Just opened.
    Opened,
    /// It had exchanges before, or has others beside.
    Reused,
}

impl<B> Endpoint<B>
where
    B: Flow + 'static,
    B::Error: Into<Box<dyn Error + Send + Sync>>,
{
    /// The endpoint `id`, which stands at `place` in its side's list of `plan`, not connected yet.
    pub(crate) fn new(
        (id, place): (EndpointId, u16),
        plan: &Plan,
        (tls, board): (&ClientTls, &Arc<Board>),
        shared: Common,
    ) -> Rc<Self> {
        let upstream = &plan.upstreams[id.side];
        let endpoint = &upstream.endpoints[usize::from(place)];
        let target = Target::new(endpoint, (id, place), tls, board);
        Rc::new(Self {
            id,
            plan: endpoint.clone(),
            pool: Pool::new(&plan.limits, target.protocol()),
            ejection: Ejection::default(),
            outage: Outage::default(),
            floods: Rc::new(Floods::of(id, endpoint.to_string())),
            target,
            limits: plan.limits,
            codec: upstream.http1,
            buffers: shared.buffers,
            connect_timeout: plan.timeouts.connect,
            in_flight: Cell::new(0),
            resolved: RefCell::new(board.resolved(id)),
            board: Arc::clone(board),
            swept: shared.swept,
        })
    }

    /// Whether another plan leaves it as it is. What certificates say is read anew, so that TLS is not.
    pub(crate) fn stays(&self, plan: &Plan) -> bool {
        self.plan.scheme != Scheme::Https
            && self.limits == plan.limits
            && self.codec == plan.upstreams[self.id.side].http1
            && self.connect_timeout == plan.timeouts.connect
    }

    /// A connection that can take a request now.
    pub(crate) async fn acquire(
        &self,
        want: Want,
    ) -> Result<(Connection<B>, Origin), AcquireError> {
        match self.pool.turn(want, self.connect_timeout).await {
            Ok(Turn::Reuse(connection)) => Ok((connection, Origin::Reused)),
            Ok(Turn::Open(opening)) => {
                // Boxed, since connecting is rare and its state large, and every request carries this future.
                let opened = Box::pin(self.open(want, opening)).await;
                let connection = opened.map_err(AcquireError::Dial)?;
                Ok((connection, Origin::Opened))
            }
            Err(WaitError::Full) => Err(AcquireError::Full),
            Err(WaitError::Opening) => {
                let timed_out = DialError::TimedOut(self.connect_timeout);
                Err(AcquireError::Dial(timed_out))
            }
        }
    }

    async fn open(&self, want: Want, opening: Opening) -> Result<Connection<B>, DialError> {
        let Opening { slot, shared } = opening;
        let (socket, protocol) = dial(&self.target, want, self.connect_timeout, Some(slot)).await?;
        let connection = match protocol {
            Protocol::Http1 => {
                if want != Want::Http1 {
                    self.pool.learn(protocol);
                }
                Connection::Http1(match self.codec {
                    Http1Codec::Native => {
                        let buffers = Rc::clone(&self.buffers);
                        Http1Connection::Native(Box::new(Http1::new(socket, &self.limits, buffers)))
                    }
                    Http1Codec::Hyper => {
                        Http1Connection::Hyper(HyperHttp1::start(socket, &self.limits).await?)
                    }
                })
            }
            Protocol::Http2 => {
                self.pool.learn(protocol);
                let slots = Arc::clone(self.pool.slots());
                let floods = Rc::clone(&self.floods);
                let now = self.swept.get();
                let connection = Http2::start(socket, &self.limits, slots, floods, now).await?;
                Connection::Http2(self.pool.share(connection))
            }
        };
        drop(shared);
        Ok(connection)
    }
}

impl<B> Endpoint<B> {
    /// Counts a request from now until the returned value is dropped.
    pub(crate) fn enter(self: &Rc<Self>) -> InFlight<B> {
        self.in_flight.set(self.in_flight.get() + 1);
        InFlight {
            endpoint: Rc::clone(self),
            id: self.id,
        }
    }

    /// Requests under way on this worker, those that wait for a connection included.
    pub(crate) fn in_flight(&self) -> usize {
        self.in_flight.get()
    }

    /// Closes what has been idle since before `oldest`, and gives up connections to where the endpoint's name does not lead
    /// any more: those in use are closed after their exchange.
    pub(crate) fn sweep(&self, oldest: Instant) {
        let resolved = self.board.resolved(self.id);
        let earlier = self.resolved.replace(Arc::clone(&resolved));
        if !Arc::ptr_eq(&earlier, &resolved) && resolved.withdraws_from(&earlier) {
            self.pool.renew();
        }
        self.pool.sweep(oldest);
    }

    /// The worker's time, as of its last sweep.
    pub(crate) fn swept(&self) -> Instant {
        self.swept.get()
    }
}

/// A request counted at its endpoint.
#[derive(Debug)]
pub(crate) struct InFlight<B> {
    endpoint: Rc<Endpoint<B>>,
    id: EndpointId,
}

impl<B> InFlight<B> {
    /// Which endpoint it is counted at.
    pub(crate) const fn id(&self) -> EndpointId {
        self.id
    }

    /// Where it is counted.
    pub(crate) fn endpoint(&self) -> &Endpoint<B> {
        &self.endpoint
    }
}

impl<B> Drop for InFlight<B> {
    fn drop(&mut self) {
        let in_flight = &self.endpoint.in_flight;
        in_flight.set(in_flight.get().saturating_sub(1));
    }
}

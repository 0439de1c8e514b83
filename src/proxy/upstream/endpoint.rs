//! One endpoint as one worker sees it: its connections, its load, and how connecting to it goes.

use std::{
    cell::Cell,
    error::Error,
    rc::Rc,
    sync::Arc,
    time::{Duration, Instant},
};

use bytes::Bytes;
use http_body::Body;

use crate::{
    plan::{EndpointId, EndpointPlan, Limits},
    proxy::upstream::{
        connection::{Http1, Http2},
        dial::{Target, Want, dial},
        ejection::Ejection,
        error::DialError,
        pool::{Connection, Opening, Pool, Turn, WaitError},
        socket::Protocol,
        tls::ClientTls,
    },
};

/// One endpoint.
#[derive(Debug)]
pub(crate) struct Endpoint<B> {
    pub(crate) id: EndpointId,
    pub(crate) plan: EndpointPlan,
    pub(crate) pool: Pool<B>,
    pub(crate) ejection: Ejection,
    target: Target,
    limits: Limits,
    connect_timeout: Duration,
    in_flight: Cell<usize>,
    /// The worker's time of its last sweep: precise enough for idle times, and free.
    swept: Rc<Cell<Instant>>,
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
    B: Body<Data = Bytes> + Unpin + 'static,
    B::Error: Into<Box<dyn Error + Send + Sync>>,
{
    /// The endpoint `id`, not connected yet.
    pub(crate) fn new(
        id: EndpointId,
        plan: &EndpointPlan,
        tls: &ClientTls,
        limits: &Limits,
        connect_timeout: Duration,
        swept: Rc<Cell<Instant>>,
    ) -> Rc<Self> {
        let target = Target::new(plan, id.index, tls);
        Rc::new(Self {
            id,
            plan: plan.clone(),
            pool: Pool::new(limits, target.protocol()),
            ejection: Ejection::default(),
            target,
            limits: *limits,
            connect_timeout,
            in_flight: Cell::new(0),
            swept,
        })
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
                if want == Want::Any {
                    self.pool.learn(protocol);
                }
                Connection::Http1(Http1::start(socket, &self.limits).await?)
            }
            Protocol::Http2 => {
                self.pool.learn(protocol);
                let slots = Arc::clone(self.pool.slots());
                let connection =
                    Http2::start(socket, &self.limits, slots, self.swept.get()).await?;
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

//! A worker's world for tests: a plan, shared state that can be looked at, and peers that do exactly what a test says.

use std::{
    convert::Infallible,
    io,
    net::SocketAddr,
    path::PathBuf,
    rc::Rc,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;
use http::{HeaderMap, Method, Request, Response};
use http_body::{Body, Frame};
use http_body_util::{BodyExt, Empty, Full, StreamBody, combinators::UnsyncBoxBody};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    sync::mpsc,
    task::{LocalSet, yield_now},
    time::timeout,
};
use tokio_stream::wrappers::ReceiverStream;

use crate::{
    clock::{self, Clock},
    measure::{Board, Connects},
    plan::{
        AdminPlan, AdvanceOn, BothBad, Edition, EjectionPlan, EndpointId, EndpointPlan,
        EvidencePlan, ForwardingPlan, HostHeader, Http1Codec, Limit, Limits, Plan, RampPlan,
        Reading, ResolverPlan, RollbackPlan, Scheme, SplitPlan, StartMode, Timeouts, Trigger,
        TripAction, UpstreamPlan, UpstreamTlsPlan, Verification,
    },
    proxy::{
        CopyDesk, Setup, Setups, Shared,
        buffers::Buffers,
        pipe::{Fill, Pipe},
        upstream::{Lease, SendError, UpstreamBody, Upstreams, Want},
    },
    split::{Publication, RouteTable, SplitTable},
    units::{Generation, PerSide, Salt, Share, Side, Weight},
};

/// No test may wait for longer.
const PATIENCE: Duration = Duration::from_secs(20);

/// The body of requests in tests.
pub(crate) type Sent = UnsyncBoxBody<Bytes, io::Error>;

impl Fill for Sent {
    type Fault = io::Error;

    fn poll_fill(
        &mut self,
        _pipe: &mut Pipe,
        _cx: &mut Context<'_>,
    ) -> Poll<Option<io::Result<usize>>> {
        Poll::Ready(None)
    }
}

/// The endpoint that most tests talk to.
pub(crate) const NEW: EndpointId = EndpointId {
    side: Side::New,
    index: 0,
};

/// One worker's upstreams and what they share with the process.
pub(crate) struct World {
    pub(crate) upstreams: Upstreams<Sent>,
    pub(crate) board: Arc<Board>,
    pub(crate) connects: Arc<Connects>,
    pub(crate) clock: Clock,
    alarms: Arc<AtomicUsize>,
}

impl World {
    /// The upstreams of `plan`.
    pub(crate) fn new(plan: Plan) -> Self {
        let alarms = Arc::new(AtomicUsize::new(0));
        let alarm = Arc::clone(&alarms);
        let places = plan.upstreams.as_ref().map(|it| it.endpoints.len());
        let board = Arc::new(Board::new(places));
        let plan = Arc::new(plan);
        let edition = Edition::first(Arc::clone(&plan));
        let setup = Arc::new(Setup::load(edition, board).unwrap());
        let shared = Shared {
            publication: Publication::new(SplitTable {
                generation: Generation::ZERO,
                weight: Weight::from_basis_points(5000).unwrap(),
                salt: Salt::new([0; 16]),
                edition: 0,
                split: Arc::new(plan.split.clone()),
                routes: Arc::new(RouteTable::new(&plan.routes)),
                withdrawal: None,
            }),
            connects: Arc::new(Connects::default()),
            alarm: Arc::new(move || {
                alarm.fetch_add(1, Ordering::Relaxed);
            }),
            clock: Clock::start(),
            desk: CopyDesk::new().0,
            intervals: mpsc::channel(1).0,
            setups: Setups::new(Arc::clone(&setup)),
        };
        Self {
            upstreams: Upstreams::new(&shared, &setup, Rc::new(Buffers::default())),
            board: Arc::clone(&setup.board),
            connects: shared.connects,
            clock: shared.clock,
            alarms,
        }
    }

    /// A world whose new side is the one plain endpoint at `address`.
    pub(crate) fn with_new(scheme: Scheme, address: SocketAddr) -> Self {
        Self::new(plan(vec![], vec![endpoint(scheme, address)]))
    }

    /// As [`World::with_new`] for HTTP/1.1, which is spoken in `codec`.
    pub(crate) fn in_codec(codec: Http1Codec, address: SocketAddr) -> Self {
        let mut plan = plan(vec![], vec![endpoint(Scheme::Http, address)]);
        plan.upstreams.new.http1 = codec;
        Self::new(plan)
    }

    /// What a worker does ten times a second.
    pub(crate) fn sweep(&self) {
        self.upstreams.sweep(clock::now());
    }

    /// A connection to the new side.
    pub(crate) async fn lease(&self) -> Lease<Sent> {
        let lease = self.upstreams.lease(Side::New, Want::Any, None).await;
        lease.unwrap()
    }

    /// Sends `request` to the new side.
    pub(crate) async fn send(
        &self,
        request: Request<Sent>,
    ) -> Result<Response<UpstreamBody<Sent>>, SendError<Sent>> {
        Box::pin(send(self.lease().await, request)).await
    }

    /// GETs `path` from the new side; the body's text.
    pub(crate) async fn get(&self, path: &str) -> String {
        text(self.send(get(path)).await.unwrap()).await
    }

    /// How often the alarm was raised.
    pub(crate) fn alarms(&self) -> usize {
        self.alarms.load(Ordering::Relaxed)
    }
}

/// Sends `request` on `lease`.
pub(crate) async fn send(
    lease: Lease<Sent>,
    request: Request<Sent>,
) -> Result<Response<UpstreamBody<Sent>>, SendError<Sent>> {
    let (head, body) = request.into_parts();
    let head = (&head).try_into().expect("the target is served");
    let (head, body) = lease.send(&head, body, &mut |_| ()).await?;
    Ok(Response::from_parts(
        head.into_parts(HeaderMap::new()),
        body,
    ))
}

/// Runs a test with tasks that belong to this thread.
pub(crate) async fn local<T>(test: impl Future<Output = T>) -> T {
    let tasks = LocalSet::new();
    let limited = timeout(PATIENCE, tasks.run_until(test)).await;
    limited.expect("the test ends in time")
}

/// Runs a test with HTTP/1.1 in our own codec and in hyper's, which promise the same.
pub(crate) async fn in_either_codec(test: impl AsyncFn(Http1Codec)) {
    for codec in [Http1Codec::Native, Http1Codec::Hyper] {
        local(Box::pin(test(codec))).await;
    }
}

/// Waits until `holds`.
pub(crate) async fn eventually(what: &str, holds: impl Fn() -> bool) {
    let waiting = async {
        while !holds() {
            yield_now().await;
        }
    };
    let waited = timeout(PATIENCE / 2, waiting).await;
    assert!(waited.is_ok(), "never: {what}");
}

fn timeouts(each: Duration) -> Timeouts {
    Timeouts {
        tls_handshake: each,
        request_head: each,
        body_idle: each,
        client_idle: each,
        connect: each,
        response_head: each,
        half_closed: each,
        upstream_idle: each,
        tunnel_idle: each,
        drain: each,
        upgrade: each,
    }
}

/// A plan with these endpoints; old gets one that refuses where none is given.
pub(crate) fn plan(old: Vec<EndpointPlan>, new: Vec<EndpointPlan>) -> Plan {
    let second = Duration::from_secs(1);
    Plan {
        name: "test".to_owned(),
        store: PathBuf::from("unused.db"),
        observations: 0,
        admin: AdminPlan::local(([127, 0, 0, 1], 0).into()),
        listeners: vec![],
        upstreams: PerSide {
            old: upstream(old),
            new: upstream(new),
        },
        split: SplitPlan::DRAWN,
        routes: vec![],
        ramp: RampPlan {
            start: StartMode::Manual,
            advance: AdvanceOn::Bake,
            steps: vec![],
            window: None,
        },
        evidence: EvidencePlan::SILENT,
        triggers: vec![Trigger {
            name: "unreachable".to_owned(),
            reading: Reading::ConnectFailures,
            limit: Limit::InARow(3),
            window: second,
            requests: 0,
            action: TripAction::Rollback,
        }],
        gates: vec![],
        rollback: RollbackPlan {
            both_bad: BothBad::Hold,
            tunnels: second,
            window: second,
        },
        forwarding: ForwardingPlan::default(),
        resolver: ResolverPlan::DEFAULT,
        replications: Vec::new(),
        shadow: None,
        dns: None,
        timeouts: timeouts(5 * second),
        limits: Limits {
            head_bytes: 16 << 10,
            connections_per_endpoint: 16,
            body_rate: 0,
            ..Limits::OF_TESTS
        },
        workers: 1,
    }
}

fn upstream(endpoints: Vec<EndpointPlan>) -> UpstreamPlan {
    UpstreamPlan {
        endpoints,
        health: None,
        ejection: EjectionPlan {
            connect_failures: 3,
            time: Duration::from_secs(10),
            time_max: Duration::from_secs(60),
            share_max: Share::from_parts_per_million(500_000).unwrap(),
        },
        tls: UpstreamTlsPlan {
            server_name: None,
            ca: None,
            client_certificate: None,
            verification: Verification::Full,
        },
        host: HostHeader::Keep,
        http1: Http1Codec::Native,
    }
}

/// An endpoint at a loopback address.
pub(crate) fn endpoint(scheme: Scheme, address: SocketAddr) -> EndpointPlan {
    EndpointPlan {
        scheme,
        host: address.ip().to_string(),
        port: address.port(),
    }
}

/// A listening socket and its address.
pub(crate) async fn listen() -> (TcpListener, SocketAddr) {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let address = listener.local_addr().unwrap();
    (listener, address)
}

/// An address where nobody listens.
pub(crate) async fn refusing() -> SocketAddr {
    listen().await.1
}

/// A request without a body.
pub(crate) fn get(path: &str) -> Request<Sent> {
    request(
        Method::GET,
        path,
        Empty::new().map_err(never).boxed_unsync(),
    )
}

/// A request with a body.
pub(crate) fn post(path: &str, body: &'static str) -> Request<Sent> {
    let body = Full::new(Bytes::from(body)).map_err(never).boxed_unsync();
    request(Method::POST, path, body)
}

/// A request whose body the test sends piece by piece.
pub(crate) fn upload(path: &str) -> (Request<Sent>, mpsc::Sender<io::Result<Frame<Bytes>>>) {
    let (pieces, body) = mpsc::channel(8);
    let body = StreamBody::new(ReceiverStream::new(body)).boxed_unsync();
    (request(Method::POST, path, body), pieces)
}

/// A request; absolute, as HTTP/2 needs it and HTTP/1.1 allows it.
pub(crate) fn request(method: Method, path: &str, body: Sent) -> Request<Sent> {
    Request::builder()
        .method(method)
        .uri(format!("http://localhost{path}"))
        .header("host", "localhost")
        .body(body)
        .unwrap()
}

fn never(it: Infallible) -> io::Error {
    match it {}
}

/// A response's body as text.
pub(crate) async fn text<B: Body<Data = Bytes>>(response: Response<B>) -> String
where
    B::Error: std::fmt::Debug,
{
    let body = response.into_body().collect().await.unwrap().to_bytes();
    String::from_utf8(body.to_vec()).unwrap()
}

/// The other end of one connection, moved by hand.
pub(crate) struct Peer {
    stream: TcpStream,
}

impl Peer {
    /// The next connection to `listener`.
    pub(crate) async fn accept(listener: &TcpListener) -> Self {
        let stream = listener.accept().await.unwrap().0;
        Self { stream }
    }

    /// Reads until `end` has come and returns everything up to there.
    pub(crate) async fn read_until(&mut self, end: &str) -> String {
        let mut read = String::new();
        while !read.ends_with(end) {
            let byte = self.stream.read_u8().await.expect("more bytes are to come");
            read.push(char::from(byte));
        }
        read
    }

    /// Reads a request head.
    pub(crate) async fn read_head(&mut self) -> String {
        self.read_until("\r\n\r\n").await
    }

    /// Sends `text`.
    pub(crate) async fn write(&mut self, text: &str) {
        self.stream.write_all(text.as_bytes()).await.unwrap();
    }

    /// Waits until the proxy closes the connection, whatever it still sends.
    pub(crate) async fn closed(&mut self) {
        let mut rest = Vec::new();
        // A reset closes as well.
        drop(
            timeout(PATIENCE / 2, self.stream.read_to_end(&mut rest))
                .await
                .expect("it closes"),
        );
    }
}

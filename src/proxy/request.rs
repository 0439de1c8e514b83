//! A request's head, taken in: refused, or known by everything that its assignment and its sending depend on.

use http::{Method, Version};

use crate::{
    measure::Rejection,
    plan::{Plan, RouteId},
    proxy::head::{
        self, Client, HeadLimits, Identity, Peer, RequestHead, RequestHop, TraceSource, Trust,
        admit_h2, identify,
        names::{EXPECT, X_CHANGEOVER_SHADOW},
        normalize_path, recognize, stamp_request, strip_request, take_force, target_of,
    },
    split::{Assignment, Draw, Facts, Intent, SplitTable, Target, WriterCell, Writers, assign},
    units::{Side, Timestamp},
};

/// A request whose head was taken in.
#[derive(Debug)]
pub(crate) struct Intake {
    /// The method.
    pub(crate) method: Method,
    /// What its hop-by-hop fields said.
    pub(crate) hop: RequestHop,
    /// Who asks.
    pub(crate) client: Client,
    /// What it asks of: host and port as the client named them, or nothing in HTTP/1.0.
    pub(crate) authority: String,
    /// The route it matched.
    pub(crate) route: RouteId,
    /// What the client is recognised by.
    pub(crate) identity: Identity,
    /// Whether it may change something.
    pub(crate) intent: Intent,
    forced: Option<Side>,
    draw: Draw,
    /// Where the client's writes are kept count of, where the plan wants that.
    cell: Option<WriterCell>,
    is_kept: bool,
}

impl Intake {
    /// Reads a head that came from `peer`, and rewrites it to what every endpoint shall see, but for its protocol.
    ///
    /// # Errors
    /// The reason to refuse it.
    pub(crate) fn new(
        plan: &Plan,
        peer: Peer,
        head: &mut RequestHead,
        table: &SplitTable,
        now: Timestamp,
    ) -> Result<Self, Rejection> {
        let version = head.version;
        if version == Version::HTTP_2 {
            admit_h2(head, &HeadLimits::from(&plan.limits))?;
        }
        if head.method == Method::CONNECT {
            return Err(Rejection::Unsupported);
        }
        let (authority, route) = locate(head, table)?;
        let client = identify(&head.headers, peer, &plan.forwarding);
        let identity = recognize(&mut head.headers, &table.split.sticky, &client, &table.salt);
        let force = table.split.force.as_ref();
        let forced = force.and_then(|it| take_force(&mut head.headers, it, now));
        let mut hop = strip_request(&mut head.headers);
        if version == Version::HTTP_10 {
            // RFC 9110 section 7.8: in HTTP/1.0 nobody asks for another protocol.
            hop.upgrade = None;
        }
        if is_100_expected(head) {
            head.headers.remove(EXPECT);
        }
        // Who is no copy must not be taken for one: it may be left out of what an environment counts or does.
        if plan.shadow.is_some() && client.trust == Trust::Untrusted {
            head.headers.remove(X_CHANGEOVER_SHADOW);
        }
        head::forward(&mut head.headers, &client, &authority);
        let source = TraceSource {
            now,
            random: fastrand::u128(..),
            span: fastrand::u64(..),
        };
        stamp_request(&mut head.headers, client.trust, version, source);
        let intent = match (&hop.upgrade, head.method.is_safe()) {
            (None, true) => Intent::Read,
            (Some(_), _) | (None, false) => Intent::Write,
        };
        Ok(Self {
            method: head.method.clone(),
            hop,
            client,
            authority,
            route,
            identity,
            intent,
            forced,
            draw: Draw(fastrand::u64(..)),
            cell: None,
            is_kept: false,
        })
    }

    /// Looks up whether its client has just written, where the plan of `table` wants that to be known.
    pub(crate) fn look_up(&mut self, writers: &Writers, table: &SplitTable, now: Timestamp) {
        let Some(bound) = table.split.read_your_writes else {
            return;
        };
        self.cell = self.identity.cell();
        self.is_kept = match self.intent {
            Intent::Read => self.cell.is_some_and(|it| writers.is_kept(it, bound, now)),
            Intent::Write => false,
        };
    }

    /// Where to keep count of it, if it may change something.
    pub(crate) fn writer(&self) -> Option<WriterCell> {
        match self.intent {
            Intent::Read => None,
            Intent::Write => self.cell,
        }
    }

    /// Assigns it by `table`: the same way each time it is asked, for the same table.
    pub(crate) fn assign(&self, table: &SplitTable) -> Assignment {
        let facts = Facts {
            route: self.route,
            intent: self.intent,
            forced: self.forced,
            slot: self.identity.slot(&table.salt, self.draw),
            is_kept: self.is_kept,
        };
        assign(table, facts)
    }
}

/// Whether the client waits for a 100 before it sends its body. It gets one from us once an endpoint takes the body, so the
/// endpoint need not send another (RFC 9110 section 10.1.1).
fn is_100_expected(head: &RequestHead) -> bool {
    let expected = head.headers.get(EXPECT);
    expected.is_some_and(|it| it.eq_ignore_ascii_case(b"100-continue"))
}

/// The authority that the request names, empty where it names none, and the route that it matches.
fn locate(head: &RequestHead, table: &SplitTable) -> Result<(String, RouteId), Rejection> {
    let target = target_of(head)?;
    let path = normalize_path(target.path)?;
    let host = target.authority.as_ref().map(head::Authority::host);
    let host = host.as_deref().unwrap_or_default();
    // Many servers take a name with the root's dot for the same host, which must not get around its routes.
    let host = host.strip_suffix('.').unwrap_or(host);
    let route = table.routes.find(Target {
        host,
        path: &path,
        method: &head.method,
    });
    let authority = target.authority.map_or("", |it| it.as_str());
    Ok((authority.to_owned(), route))
}

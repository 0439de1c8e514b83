//! Every route, with the role that it needs: the one table, from which the router is made.

use std::time::Duration;

use axum::{
    Router,
    extract::Request,
    http::{HeaderValue, Uri, header},
    middleware::{Next, from_fn, from_fn_with_state},
    response::{IntoResponse, Response},
    routing::{MethodRouter, get, post, put},
};

use crate::{
    admin::{
        access::{self, Access},
        dns, health, look, openapi, origin,
        problem::{Kind, Problem},
        reload,
        server::{REQUEST_TIMEOUT, Shared},
        set_up, steer, stream,
    },
    plan::Role,
};

/// One route.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Route {
    pub(crate) path: &'static str,
    pub(crate) access: Access,
    pub(crate) operation: Operation,
}

/// What a route does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Operation {
    Root,
    Health,
    Ready,
    Metrics,
    OpenApi,
    Status,
    Events,
    Explain,
    Follow,
    Shadow,
    Start,
    Hold,
    Resume,
    Advance,
    SetWeight,
    Rollback,
    Drill,
    Reload,
    Upgrade,
    SetUp,
    LowerTtl,
    MoveNames,
    RevertNames,
    RestoreTtl,
}

/// Where an upgrade is asked for.
const UPGRADE: &str = "/api/v1/upgrade";

/// For an upgrade: longer than all that the process that takes over may take.
const UPGRADE_TIMEOUT: Duration = Duration::from_secs(45);

/// Where databases are set up for replication.
const SET_UP: &str = "/api/v1/replication/setup";

/// For a set-up: a step is begun for 3 minutes at most, and then takes a minute at most.
const SET_UP_TIMEOUT: Duration = Duration::from_secs(250);

/// Where orders about names are given.
const LOWER_TTL: &str = "/api/v1/dns/lower-ttl";
const MOVE: &str = "/api/v1/dns/move";
const REVERT: &str = "/api/v1/dns/revert";
const RESTORE_TTL: &str = "/api/v1/dns/restore-ttl";

/// For an order about names: a provider tries two changes, each within half a minute.
const DNS_TIMEOUT: Duration = Duration::from_secs(70);

const VIEWER: Access = Access::Role(Role::Viewer);
const OPERATOR: Access = Access::Role(Role::Operator);
const APPROVER: Access = Access::Role(Role::Approver);

/// Every route. Resuming at another step than the first needs an approver besides, which its handler checks,
/// since the step is in the body.
pub(crate) const ROUTES: [Route; 24] = [
    route("/", VIEWER, Operation::Root),
    route("/healthz", Access::Open, Operation::Health),
    route("/readyz", Access::Open, Operation::Ready),
    route("/metrics", VIEWER, Operation::Metrics),
    route("/openapi.json", VIEWER, Operation::OpenApi),
    route("/api/v1/status", VIEWER, Operation::Status),
    route("/api/v1/events", VIEWER, Operation::Events),
    route("/api/v1/explain", VIEWER, Operation::Explain),
    route("/api/v1/events/stream", VIEWER, Operation::Follow),
    route("/api/v1/shadow", VIEWER, Operation::Shadow),
    route("/api/v1/ramp/start", OPERATOR, Operation::Start),
    route("/api/v1/ramp/hold", OPERATOR, Operation::Hold),
    route("/api/v1/ramp/resume", OPERATOR, Operation::Resume),
    route("/api/v1/ramp/advance", APPROVER, Operation::Advance),
    route("/api/v1/weight", APPROVER, Operation::SetWeight),
    route("/api/v1/rollback", OPERATOR, Operation::Rollback),
    route("/api/v1/drill", APPROVER, Operation::Drill),
    route("/api/v1/reload", APPROVER, Operation::Reload),
    route(UPGRADE, APPROVER, Operation::Upgrade),
    route(SET_UP, APPROVER, Operation::SetUp),
    route(LOWER_TTL, APPROVER, Operation::LowerTtl),
    route(MOVE, APPROVER, Operation::MoveNames),
    route(REVERT, OPERATOR, Operation::RevertNames),
    route(RESTORE_TTL, APPROVER, Operation::RestoreTtl),
];

const fn route(path: &'static str, access: Access, operation: Operation) -> Route {
    Route {
        path,
        access,
        operation,
    }
}

impl Operation {
    fn method_router(self) -> MethodRouter<Shared> {
        match self {
            Self::Root => get(look::root),
            Self::Health => get(health::healthz),
            Self::Ready => get(health::readyz),
            Self::Metrics => get(look::metrics),
            Self::OpenApi => get(openapi::document),
            Self::Status => get(look::status),
            Self::Events => get(look::events),
            Self::Explain => get(look::explain),
            Self::Follow => get(stream::follow),
            Self::Shadow => get(look::shadow),
            Self::Start => post(steer::start),
            Self::Hold => post(steer::hold),
            Self::Resume => post(steer::resume),
            Self::Advance => post(steer::advance),
            Self::SetWeight => put(steer::set_weight),
            Self::Rollback => post(steer::rollback),
            Self::Drill => post(steer::drill),
            Self::Reload => post(reload::reload),
            Self::Upgrade => post(reload::upgrade),
            Self::SetUp => post(set_up::set_up),
            Self::LowerTtl => post(dns::lower_ttl),
            Self::MoveNames => post(dns::move_names),
            Self::RevertNames => post(dns::revert),
            Self::RestoreTtl => post(dns::restore_ttl),
        }
    }
}

/// The router: origin first, for everything; then who asks, and how often; then the table's role, for each route; then
/// the handler.
pub(crate) fn router(shared: Shared) -> Router {
    let context = shared.context.clone();
    let mut router = Router::new();
    for route in ROUTES {
        let guard = from_fn_with_state(route.access, access::enforce);
        router = router.route(route.path, route.operation.method_router().layer(guard));
    }
    router
        .method_not_allowed_fallback(method_not_allowed)
        .fallback(not_found)
        .layer(from_fn_with_state(shared.clone(), access::identify))
        .layer(from_fn_with_state(context, origin::enforce))
        .layer(from_fn(within_time))
        .layer(from_fn(harden))
        .with_state(shared)
}

async fn not_found(uri: Uri) -> Problem {
    let detail = format!("nothing is at {}; /openapi.json lists what is", uri.path());
    Problem::new(Kind::NotFound, detail)
}

async fn method_not_allowed(request: Request) -> Problem {
    let detail = format!(
        "{} does not know {}; Allow lists what it does",
        request.uri().path(),
        request.method()
    );
    Problem::new(Kind::MethodNotAllowed, detail)
}

/// Ends requests that take too long up to their response's head; a stream's body may go on for as long as it likes.
async fn within_time(request: Request, next: Next) -> Response {
    let limit = match request.uri().path() {
        UPGRADE => UPGRADE_TIMEOUT,
        SET_UP => SET_UP_TIMEOUT,
        LOWER_TTL | MOVE | REVERT | RESTORE_TTL => DNS_TIMEOUT,
        _ => REQUEST_TIMEOUT,
    };
    let answered = tokio::time::timeout(limit, next.run(request)).await;
    answered.unwrap_or_else(|_elapsed| {
        let detail = format!(
            "no answer within {} s; whether a command was carried out, the status will tell",
            limit.as_secs()
        );
        Problem::new(Kind::Unavailable, detail).into_response()
    })
}

/// Nothing of ours is stored by caches or taken for another type than it says.
async fn harden(request: Request, next: Next) -> Response {
    let mut response = next.run(request).await;
    let headers = response.headers_mut();
    let nosniff = HeaderValue::from_static("nosniff");
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, nosniff);
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    let policy = HeaderValue::from_static("default-src 'none'; frame-ancestors 'none'");
    headers.insert(header::CONTENT_SECURITY_POLICY, policy);
    response
}

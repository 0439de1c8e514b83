//! Who calls, and whether the caller's role is enough for the route.
//!
//! With operators in the plan a bearer token is needed, compared by its digest and in constant time. Without any,
//! only loopback peers are served, with every role, and the journal calls them "local". How often anybody may ask is
//! for `peers` to say.

use std::net::SocketAddr;

use axum::{
    Extension,
    extract::{Request, State},
    http::{HeaderMap, header},
    middleware::Next,
    response::{IntoResponse, Response},
};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use crate::{
    admin::{
        peers::{Claim, Excess},
        problem::{Kind, Problem},
        server::Shared,
    },
    clock,
    cutover::Actor,
    plan::{AdminPlan, Operator, Role},
};

/// The name of whoever calls where the plan knows no operators.
const LOCAL: &str = "local";

/// What a route asks of its caller.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Access {
    /// Nothing: for probes of load balancers and service managers.
    Open,
    /// At least this role.
    Role(Role),
}

/// The two ends of the connection that a request came over.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Connection {
    pub(crate) peer: SocketAddr,
    pub(crate) local: SocketAddr,
}

/// Somebody who may use the route that was asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Caller {
    name: String,
    role: Role,
}

impl Caller {
    /// As the journal names the caller.
    pub(crate) fn actor(&self) -> Actor {
        Actor::Operator(self.name.clone())
    }

    /// Refuses what needs a higher role than the route itself.
    pub(crate) fn require(&self, role: Role, what: &str) -> Result<(), Problem> {
        if self.role >= role {
            return Ok(());
        }
        let detail = format!(
            "{what} needs the role {}, and {} is {}",
            name_of(role),
            self.name,
            name_of(self.role)
        );
        Err(Problem::new(Kind::Forbidden, detail))
    }
}

/// Who asks, as far as the request shows it: a caller, or why it is none.
#[derive(Clone, Debug)]
pub(crate) struct Identity(Result<Caller, Problem>);

/// The middleware before every route: finds out who asks, and answers 429 to whoever asks too often.
pub(crate) async fn identify(
    State(shared): State<Shared>,
    Extension(connection): Extension<Connection>,
    mut request: Request,
    next: Next,
) -> Response {
    let edition = shared.context.plan();
    let plan = &edition.admin;
    let (claim, identity) = identity(plan, connection.peer, request.headers());
    let counted = shared
        .peers
        .count(plan, connection.peer.ip(), claim, clock::now());
    if let Err(excess) = counted {
        return too_many(excess, plan).into_response();
    }
    request.extensions_mut().insert(Identity(identity));
    next.run(request).await
}

/// The middleware of every route: lets a request through with its [`Caller`], or answers 401 or 403.
pub(crate) async fn enforce(
    State(access): State<Access>,
    Extension(Identity(identity)): Extension<Identity>,
    mut request: Request,
    next: Next,
) -> Response {
    if let Access::Role(role) = access {
        let allowed = identity.and_then(|caller| {
            let what = format!("{} {}", request.method(), request.uri().path());
            caller.require(role, &what).map(|()| caller)
        });
        match allowed {
            Ok(caller) => request.extensions_mut().insert(caller),
            Err(problem) => return problem.into_response(),
        };
    }
    next.run(request).await
}

fn identity<'a>(
    plan: &'a AdminPlan,
    peer: SocketAddr,
    headers: &HeaderMap,
) -> (Claim<'a>, Result<Caller, Problem>) {
    if plan.operators.is_empty() {
        let identity = match peer.ip().to_canonical().is_loopback() {
            true => Ok(Caller {
                name: LOCAL.into(),
                role: Role::Approver,
            }),
            false => Err(Problem::new(
                Kind::Forbidden,
                "without an [[admin.operator]] in the configuration only this machine itself is served",
            )),
        };
        return (Claim::Nobody, identity);
    }
    let Some(token) = bearer(headers) else {
        let detail = "send one header `Authorization: Bearer TOKEN`";
        return (Claim::Nobody, Err(Problem::new(Kind::Unauthorized, detail)));
    };
    let Some(operator) = owner(&plan.operators, token) else {
        let problem = Problem::new(Kind::Unauthorized, "nobody has this token");
        return (Claim::Wrong, Err(problem));
    };
    let caller = Caller {
        name: operator.name.clone(),
        role: operator.role,
    };
    (Claim::Operator(&operator.name), Ok(caller))
}

fn too_many(excess: Excess, plan: &AdminPlan) -> Problem {
    let detail = match excess {
        Excess::Requests => format!(
            "more than {} requests a second; slow down, or raise [admin] requests_per_second",
            plan.limits.requests_per_second
        ),
        Excess::WrongTokens => {
            "too many wrong tokens came from this address; wait, and try again one at a time".into()
        }
    };
    Problem::new(Kind::TooManyRequests, detail)
}

/// The token of the one `Authorization` header, if it is a bearer's.
fn bearer(headers: &HeaderMap) -> Option<&[u8]> {
    let mut values = headers.get_all(header::AUTHORIZATION).iter();
    let value = values.next()?.as_bytes();
    if values.next().is_some() {
        return None;
    }
    let (scheme, token) = value.split_at_checked("bearer".len())?;
    let token = token.strip_prefix(b" ")?.trim_ascii();
    (scheme.eq_ignore_ascii_case(b"bearer") && !token.is_empty()).then_some(token)
}

/// Whose token it is. Every operator is compared, whoever matches, so that time tells nothing.
fn owner<'a>(operators: &'a [Operator], token: &[u8]) -> Option<&'a Operator> {
    let digest: [u8; 32] = Sha256::digest(token).into();
    let mut found = None;
    for operator in operators {
        if bool::from(operator.token_sha256.ct_eq(&digest)) {
            found = Some(operator);
        }
    }
    found
}

const fn name_of(role: Role) -> &'static str {
    match role {
        Role::Viewer => "viewer",
        Role::Operator => "operator",
        Role::Approver => "approver",
    }
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    #[test]
    fn reads_exactly_one_bearer_token() {
        let check = |values: &[&str], expected: Option<&str>| {
            let mut headers = HeaderMap::new();
            for value in values {
                let value = HeaderValue::from_str(value).unwrap();
                headers.append(header::AUTHORIZATION, value);
            }
            assert_eq!(bearer(&headers), expected.map(str::as_bytes), "{values:?}");
        };
        check(&["Bearer abc"], Some("abc"));
        check(&["bearer   abc "], Some("abc"));
        check(&[], None);
        check(&["Bearer"], None);
        check(&["Bearer "], None);
        check(&["Bearerabc"], None);
        check(&["Basic abc"], None);
        check(&["Bearer abc", "Bearer abc"], None);
    }
}

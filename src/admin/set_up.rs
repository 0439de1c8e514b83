//! `POST /api/v1/replication/setup`: the statements that are due on two databases, shown first and run once consented to.

use axum::{Extension, Json, body::Body, extract::State, http::HeaderMap};
use serde::Deserialize;

use crate::{
    admin::{
        Consent, Context, DatabaseLogin, SetUp, SetUpAnswer, SetUpError,
        access::Caller,
        body,
        problem::{Kind, Problem},
    },
    plan::Secret,
    units::PerSide,
};

/// A name of PostgreSQL's has at most so many bytes.
const USER_BYTES_MAX: usize = 63;
/// Longer ones are no passwords.
const PASSWORD_BYTES_MAX: usize = 1024;

/// Not to be shown: it holds passwords.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct SetUpBody {
    name: Option<String>,
    old: LoginBody,
    new: LoginBody,
    #[serde(default)]
    consent: Option<ConsentBody>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct LoginBody {
    user: String,
    password: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ConsentBody {
    steps: String,
    password: String,
    #[serde(default)]
    despite_faults: bool,
}

pub(crate) async fn set_up(
    State(context): State<Context>,
    Extension(caller): Extension<Caller>,
    headers: HeaderMap,
    body: Body,
) -> Result<Json<SetUpAnswer>, Problem> {
    let SetUpBody {
        name,
        old,
        new,
        consent,
    } = body::required(&headers, body).await?;
    let consent = match consent {
        Some(it) => Some(Consent {
            steps: it.steps,
            password: password("consent.password", it.password)?,
            despite_faults: it.despite_faults,
        }),
        None => None,
    };
    let request = SetUp {
        name,
        logins: PerSide {
            old: login("old", old)?,
            new: login("new", new)?,
        },
        consent,
    };
    let answer = context.orders.set_up(request, caller.actor()).await;
    Ok(Json(answer?))
}

fn login(side: &str, body: LoginBody) -> Result<DatabaseLogin, Problem> {
    let LoginBody {
        user,
        password: given,
    } = body;
    if user.is_empty() || user.len() > USER_BYTES_MAX || user.chars().any(char::is_control) {
        let detail = format!(
            "in the body: {side}.user has {} bytes; expected a role's name, of 1 to {USER_BYTES_MAX} \
             printable ones",
            user.len()
        );
        return Err(Problem::new(Kind::BadRequest, detail));
    }
    let given = given.map(|it| password(&format!("{side}.password"), it));
    Ok(DatabaseLogin {
        user,
        password: given.transpose()?,
    })
}

fn password(field: &str, text: String) -> Result<Secret, Problem> {
    if text.is_empty() || text.len() > PASSWORD_BYTES_MAX || text.chars().any(char::is_control) {
        let detail = format!(
            "in the body: {field} has {} bytes; expected 1 to {PASSWORD_BYTES_MAX} printable ones",
            text.len()
        );
        return Err(Problem::new(Kind::BadRequest, detail));
    }
    Ok(Secret::new(text.into_bytes()))
}

impl From<SetUpError> for Problem {
    fn from(error: SetUpError) -> Self {
        let kind = match &error {
            SetUpError::Unknown(_) => Kind::NotFound,
            SetUpError::Refused(_) => Kind::Refused,
            SetUpError::Failed(_) => Kind::SetUpFailed,
            SetUpError::Unavailable => Kind::Unavailable,
        };
        Self::new(kind, error.to_string())
    }
}

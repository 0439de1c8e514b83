//! Runs the steps that are due: shown first, consented to as shown, each written down before it is run. A step that fails is
//! the last one. What is there already is no step, so that a run that stopped goes on when it is asked for again.

use std::{fmt, time::Duration};

use postgres_protocol::password::scram_sha_256;
use sha2::{Digest, Sha256};
use tokio::time::timeout;

use crate::{
    clock,
    plan::{ReplicationPlan, Secret},
    replication::{
        ConnectError, QueryError, Session,
        catalog::{self, CatalogError},
        causes::with_causes,
        check::{Answer, check},
        connect,
        setup::{Step, due, sql::Passwords, steps},
    },
    units::{PerSide, Side},
};

/// For one statement. A new slot waits for the transactions that are open.
const STATEMENT: Duration = Duration::from_secs(60);
/// A server that says nothing at all is given this much more.
const GRACE: Duration = Duration::from_secs(1);
/// No step is begun later than this.
const BEGUN_WITHIN: Duration = Duration::from_secs(180);

/// The question whose faults a set-up puts right itself.
const OWN_QUESTION: &str = "publications";

/// A role that may make roles, publications and subscriptions.
#[derive(Clone, Debug)]
pub(crate) struct Login {
    pub(crate) user: String,
    pub(crate) password: Option<Secret>,
}

/// Where each step is written down.
pub(crate) trait Journal {
    /// Before it is run; without this it is not run.
    async fn begins(&self, step: &Step) -> Result<(), String>;
    /// After it has failed.
    async fn failed(&self, step: &Step, why: &str) -> Result<(), String>;
}

/// Why nothing can be said about the databases.
#[derive(Debug, thiserror::Error)]
pub(crate) enum OpenError {
    #[error("open a session on {side}")]
    Connect {
        side: Side,
        #[source]
        source: ConnectError,
    },
    #[error("prepare a session on {side}")]
    Session {
        side: Side,
        #[source]
        source: QueryError,
    },
    #[error("read the catalog on {side}")]
    Catalog {
        side: Side,
        #[source]
        source: CatalogError,
    },
}

/// Both databases, and what is due on them.
pub(crate) struct SetUp {
    plan: ReplicationPlan,
    sessions: PerSide<Session>,
    /// In their order.
    pub(crate) steps: Vec<Step>,
    /// What should be put right before, one line each.
    pub(crate) faults: Vec<String>,
}

/// Where a run ended before its end, and what is to be known about it.
#[derive(Debug)]
pub(crate) struct Stopped {
    at: String,
    why: String,
    done: Vec<String>,
    undo: Vec<String>,
}

/// Opens both databases and finds out what is due.
pub(crate) async fn open(
    plan: &ReplicationPlan,
    logins: &PerSide<Login>,
) -> Result<SetUp, OpenError> {
    let mut old = session(plan, logins, Side::Old).await?;
    let mut new = session(plan, logins, Side::New).await?;
    let read = |side| move |source| OpenError::Catalog { side, source };
    let catalogs = PerSide {
        old: catalog::read(old.client()).await.map_err(read(Side::Old))?,
        new: catalog::read(new.client()).await.map_err(read(Side::New))?,
    };
    let faults = check(&catalogs).into_iter();
    let faults = faults.filter(|it| it.answer == Answer::Fail && it.check != OWN_QUESTION);
    Ok(SetUp {
        plan: plan.clone(),
        steps: due(steps(&catalogs, plan), &catalogs, plan),
        faults: faults.map(|it| it.to_string()).collect(),
        sessions: PerSide { old, new },
    })
}

async fn session(
    plan: &ReplicationPlan,
    logins: &PerSide<Login>,
    side: Side,
) -> Result<Session, OpenError> {
    let Login { user, password } = logins[side].clone();
    let mut database = plan.databases[side].clone();
    database.user = user;
    database.password = password;
    let session = connect(&database).await;
    let mut session = session.map_err(|source| OpenError::Connect { side, source })?;
    let limited = session.limit_statements(STATEMENT).await;
    limited.map_err(|source| OpenError::Session { side, source })?;
    let quiet = session.rows("keep passwords out of its log", QUIET, &[]);
    quiet
        .await
        .map_err(|source| OpenError::Session { side, source })?;
    Ok(session)
}

/// A connection string holds a password, and a server may write statements into its log. Only a superuser can have it not
/// do so.
const QUIET: &str = "SELECT set_config(name, value, false)
    FROM (VALUES ('log_statement', 'none'), ('log_min_error_statement', 'panic'),
        ('log_min_duration_statement', '-1'), ('log_min_duration_sample', '-1')) AS s (name, value)
    WHERE current_setting('is_superuser') = 'on'";

impl SetUp {
    /// Stands for exactly these steps of this replication: whoever consents to it has seen them.
    pub(crate) fn consent(&self) -> String {
        let mut digest = Sha256::new();
        // Lengths, so that nothing can be moved from one field into the next.
        let mut add = |text: &str| {
            digest.update(text.len().to_be_bytes());
            digest.update(text);
        };
        add(&self.plan.name);
        for step in &self.steps {
            add(&step.side.to_string());
            add(&step.sql.to_string());
        }
        hex::encode(digest.finalize())
    }

    /// Runs the steps. `password` is the replicator's.
    pub(crate) async fn run(
        mut self,
        password: &str,
        journal: &impl Journal,
    ) -> Result<(), Stopped> {
        let passwords = self.passwords(password);
        let began = clock::now();
        for index in 0..self.steps.len() {
            let stopped = |why| self.stopped(index, why);
            if clock::now().saturating_duration_since(began) > BEGUN_WITHIN {
                let span = BEGUN_WITHIN.as_secs();
                return Err(stopped(format!("it was not begun within {span} s")));
            }
            let step = &self.steps[index];
            if let Err(why) = journal.begins(step).await {
                let why = format!("it was not run, since the journal did not take it: {why}");
                return Err(stopped(why));
            }
            let sql = step.sql.to_run(&passwords[step.side]);
            let side = step.side;
            if let Err(mut why) = run(&mut self.sessions[side], &sql).await {
                let step = &self.steps[index];
                if let Err(unwritten) = journal.failed(step, &why).await {
                    why = format!("{why} (which the journal did not take: {unwritten})");
                }
                return Err(self.stopped(index, why));
            }
        }
        Ok(())
    }

    fn passwords(&self, replicator: &str) -> PerSide<Passwords> {
        let kept = scram_sha_256(replicator.as_bytes());
        PerSide::from_fn(|side| {
            let watcher = self.plan.databases[side].password.as_ref();
            Passwords {
                watcher: watcher.map(|it| scram_sha_256(it.expose())),
                replicator_kept: kept.clone(),
                replicator: replicator.to_owned(),
            }
        })
    }

    fn stopped(&self, index: usize, why: String) -> Stopped {
        let done = &self.steps[..index];
        let undo = done.iter().rev();
        let undo = undo.filter_map(|it| Some(format!("on {}: {}", it.side, it.undo.as_ref()?)));
        Stopped {
            at: format!(
                "{} of {}, {}",
                index + 1,
                self.steps.len(),
                self.steps[index].name()
            ),
            why,
            done: done.iter().map(Step::name).collect(),
            undo: undo.collect(),
        }
    }
}

/// Runs the statements of one step in one transaction, so that a step is done or not; a subscription is a statement of its
/// own, as it has to be.
async fn run(session: &mut Session, sql: &str) -> Result<(), String> {
    let ran = timeout(STATEMENT + GRACE, session.client().batch_execute(sql)).await;
    match ran {
        Ok(Ok(())) => Ok(()),
        Ok(Err(error)) => {
            // A server's message may have several lines; an entry of the journal has one.
            let why = with_causes(&error);
            Err(why.split_whitespace().collect::<Vec<_>>().join(" "))
        }
        Err(_elapsed) => Err(format!("no answer within {} s", STATEMENT.as_secs())),
    }
}

impl fmt::Display for Stopped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            at,
            why,
            done,
            undo,
        } = self;
        write!(f, "step {at}: {why}; ")?;
        if done.is_empty() {
            return f.write_str("nothing was done");
        }
        write!(f, "done before it: {}; ", done.join(", "))?;
        match undo.is_empty() {
            true => f.write_str("that need not be undone"),
            false => write!(
                f,
                "ask again to go on from there, or undo it, in this order: {}",
                undo.join(" ")
            ),
        }
    }
}

//! From a configuration to the two databases of one replication, and what they say about themselves.

use std::{path::PathBuf, time::Duration};

use anyhow::Context;
use clap::Args;
use tokio::runtime::{Builder, Runtime};

use crate::{
    cli::exit::Failure,
    config,
    plan::ReplicationPlan,
    replication::{
        Session,
        catalog::{self, Catalog},
        connect,
    },
    units::{PerSide, Side},
};

/// For one statement of these commands, which read more than the watch does and hurry less.
const STATEMENT: Duration = Duration::from_secs(60);

/// Which replication.
#[derive(Clone, Debug, Args)]
pub(crate) struct Which {
    /// The configuration
    #[arg(long, value_name = "FILE")]
    pub(super) config: PathBuf,
    /// The replication, where the configuration has several
    #[arg(long, value_name = "NAME")]
    pub(super) name: Option<String>,
}

/// Both databases, with a session each.
pub(super) struct Opened {
    pub(super) runtime: Runtime,
    pub(super) plan: ReplicationPlan,
    pub(super) sessions: PerSide<Session>,
    pub(super) catalogs: PerSide<Catalog>,
}

/// Connects to both and reads their catalogs.
pub(super) fn open(which: &Which) -> Result<Opened, Failure> {
    let plan = find(which)?;
    let runtime = Builder::new_current_thread().enable_all().build();
    let runtime = runtime.context("cannot start a runtime")?;
    let (sessions, catalogs) = runtime.block_on(async {
        let (old, old_catalog) = side(&plan, Side::Old).await?;
        let (new, new_catalog) = side(&plan, Side::New).await?;
        let catalogs = PerSide {
            old: old_catalog,
            new: new_catalog,
        };
        Ok::<_, anyhow::Error>((PerSide { old, new }, catalogs))
    })?;
    Ok(Opened {
        runtime,
        plan,
        sessions,
        catalogs,
    })
}

async fn side(plan: &ReplicationPlan, side: Side) -> anyhow::Result<(Session, Catalog)> {
    let failed = || format!("failed on {side}");
    let session = connect(&plan.databases[side]).await;
    let mut session = session.with_context(failed)?;
    session
        .limit_statements(STATEMENT)
        .await
        .with_context(failed)?;
    let catalog = catalog::read(session.client()).await.with_context(failed)?;
    Ok((session, catalog))
}

fn find(which: &Which) -> Result<ReplicationPlan, Failure> {
    let loaded = config::load(&which.config);
    let loaded = loaded.map_err(|error| Failure::configuration(&error))?;
    let all = loaded.plan.replications;
    let names = all
        .iter()
        .map(|it| format!("{:?}", it.name))
        .collect::<Vec<_>>()
        .join(", ");
    let count = all.len();
    let file = which.config.display();
    let mut wanted = all
        .into_iter()
        .filter(|it| which.name.as_ref().is_none_or(|name| *name == it.name));
    match (wanted.next(), count, &which.name) {
        (_, 0, _) => Err(Failure::Usage(format!("{file} has no [[replication]]"))),
        (None, _, _) => Err(Failure::Usage(format!(
            "{file} has no such replication; it has {names}"
        ))),
        (Some(_), 2.., None) => Err(Failure::Usage(format!(
            "{file} has several: say --name, one of {names}"
        ))),
        (Some(plan), _, _) => Ok(plan),
    }
}

//! Where the newest report stands, for other threads to read.

use std::{sync::Arc, time::Duration};

use arc_swap::ArcSwapOption;

use crate::{
    plan::{Plan, are_compared_alike},
    shadow::Report,
    units::Timestamp,
};

/// A report older than this is none: it is renewed twice a second.
const STALE_AFTER: Duration = Duration::from_secs(5);

/// The newest report.
#[derive(Debug, Default)]
pub struct Board(ArcSwapOption<Posted>);

/// A report, and the plan that copies were compared by.
#[derive(Debug)]
struct Posted {
    plan: Arc<Plan>,
    report: Arc<Report>,
}

/// What is known of copies.
pub type View = Result<Arc<Report>, String>;

impl Board {
    /// Puts a report there that was made under `plan`, or nothing where no copies are sent.
    pub fn put(&self, plan: &Arc<Plan>, report: Option<Report>) {
        let posted = report.map(|report| {
            Arc::new(Posted {
                plan: Arc::clone(plan),
                report: Arc::new(report),
            })
        });
        self.0.store(posted);
    }

    /// The newest report, however old it is.
    #[must_use]
    pub fn latest(&self) -> Option<Arc<Report>> {
        let posted = self.0.load();
        posted.as_ref().map(|it| Arc::clone(&it.report))
    }

    /// The newest report, if it is of `plan`, or why there is none.
    ///
    /// # Errors
    /// A phrase.
    pub fn view(&self, plan: &Plan, now: Timestamp) -> View {
        let posted = self.0.load();
        let Some(Posted { plan: by, report }) = posted.as_deref() else {
            return Err("no copy was compared yet".to_owned());
        };
        if !are_compared_alike(by, plan) {
            return Err("the report is of another configuration".to_owned());
        }
        match now.since(report.at) <= STALE_AFTER {
            true => Ok(Arc::clone(report)),
            false => Err(format!("nothing is said of copies since {}", report.at)),
        }
    }
}

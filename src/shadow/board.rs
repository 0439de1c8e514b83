//! Where the newest report stands, for other threads to read.

use std::{sync::Arc, time::Duration};

use arc_swap::ArcSwapOption;

use crate::{shadow::Report, units::Timestamp};

/// A report older than this is none: it is renewed once a second.
const STALE_AFTER: Duration = Duration::from_secs(5);

/// The newest report.
#[derive(Debug, Default)]
pub struct Board(ArcSwapOption<Report>);

/// What is known of copies.
pub type View = Result<Arc<Report>, String>;

impl Board {
    /// Puts a report there, or nothing where no copies are sent.
    pub fn put(&self, report: Option<Report>) {
        self.0.store(report.map(Arc::new));
    }

    /// The newest report, however old it is.
    #[must_use]
    pub fn latest(&self) -> Option<Arc<Report>> {
        self.0.load_full()
    }

    /// The newest report, or why there is none.
    ///
    /// # Errors
    /// A phrase.
    pub fn view(&self, now: Timestamp) -> View {
        let report = self.0.load_full();
        let report = report.ok_or_else(|| "no copy was compared yet".to_owned())?;
        match now.since(report.at) <= STALE_AFTER {
            true => Ok(report),
            false => Err(format!("nothing is said of copies since {}", report.at)),
        }
    }
}

//! The comparison itself: ranges, markers, second looks, progress.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::PathBuf,
    time::{Duration, Instant},
};

use tokio_postgres::Client;

use crate::{
    clock,
    replication::verify::{
        Difference, Flow, Kind, Progress, ProgressError, TableProgress, marker,
        progress::Values,
        range::{self, Range, Summary},
        row::{self, Row},
        settle::{Look, Suspect, Verdict},
        subject::Subject,
        throttle::Throttle,
    },
    units::{PerSide, Side},
};

/// Ranges between two markers: each marker costs a moment of waiting.
const RANGES_PER_MARKER: usize = 16;
/// Rows that are looked at again in one statement.
const SUSPECTS: usize = 500;
/// So often a row is looked at before it counts as one that does not stand still.
const LOOKS: u32 = 12;
/// With more differences than this a table needs a fresh copy, not a longer list.
const DIFFERENCES: usize = 1000;
/// So many more rows than the other side has are read of a range: more than there can be differences, and deletions and
/// inserts on their way besides.
const MORE: u64 = 4000;

/// What is compared, and how.
pub(crate) struct Request {
    pub(crate) flow: Flow,
    pub(crate) subjects: Vec<Subject>,
    /// Rows a second, of both sides together.
    pub(crate) rate: u64,
    /// For a marker to be confirmed.
    pub(crate) patience: Duration,
    /// Whether values of differing rows are kept.
    pub(crate) with_values: bool,
    /// Where progress is kept.
    pub(crate) state: Option<PathBuf>,
}

/// Why a comparison ended before its end.
#[derive(Debug, thiserror::Error)]
pub(crate) enum VerifyError {
    #[error("cannot {what} on {side}")]
    Query {
        side: Side,
        what: &'static str,
        #[source]
        source: tokio_postgres::Error,
    },
    #[error("{to} has not confirmed {position} within {} s: it lags; try again once it has caught up, or wait longer (--wait)", patience.as_secs())]
    Behind {
        to: Side,
        position: String,
        patience: Duration,
    },
    #[error("a slot on {side} has gone while it was waited for")]
    SlotGone { side: Side },
    #[error(transparent)]
    Progress(#[from] ProgressError),
}

impl VerifyError {
    pub(super) fn on(side: Side, what: &'static str) -> impl Fn(tokio_postgres::Error) -> Self {
        move |source| Self::Query { side, what, source }
    }
}

/// Compares all subjects that are not done yet, and tells of each one that is.
pub(crate) async fn verify(
    clients: PerSide<&Client>,
    request: &Request,
    progress: &mut Progress,
    mut done: impl FnMut(&str, &TableProgress),
) -> Result<(), VerifyError> {
    for side in Side::ALL {
        let prepared = clients[side].batch_execute(SESSION).await;
        prepared.map_err(VerifyError::on(side, "prepare the session"))?;
    }
    let mut run = Run {
        clients,
        request,
        throttle: Throttle::new(request.rate, clock::now()),
    };
    for subject in &request.subjects {
        loop {
            let table = progress.tables.entry(subject.table.clone()).or_default();
            if table.is_done {
                break;
            }
            run.batch(subject, table).await?;
            if let Some(path) = &request.state {
                progress.save(path)?;
            }
        }
        done(&subject.table, &progress.tables[&subject.table]);
    }
    Ok(())
}

/// Values are written as text, so both sides have to write them alike. With row security off, a policy that would hide
/// rows is an error. Without knowledge of a table its server may read all of it for one range, which no rate could undo.
const SESSION: &str = "SET default_transaction_read_only = on; SET search_path = ''; \
    SET datestyle = 'ISO, MDY'; SET intervalstyle = 'postgres'; SET timezone = 'UTC'; \
    SET extra_float_digits = 3; SET bytea_output = 'hex'; SET lc_monetary = 'C'; SET row_security = off; \
    SET enable_seqscan = off";

struct Run<'a> {
    clients: PerSide<&'a Client>,
    request: &'a Request,
    throttle: Throttle,
}

impl Run<'_> {
    /// Compares the next few ranges of a table.
    async fn batch(
        &mut self,
        subject: &Subject,
        table: &mut TableProgress,
    ) -> Result<(), VerifyError> {
        let flow = &self.request.flow;
        let mut ranges: Vec<(Range, Summary)> = Vec::new();
        let mut after = table.after.clone();
        let mut reached_end = false;
        while ranges.len() < RANGES_PER_MARKER && !reached_end {
            let began = clock::now();
            let rows = self.throttle.range_rows();
            let read = range::next(self.clients[flow.from], subject, after.as_deref(), rows).await;
            let (range, summary) = read.map_err(VerifyError::on(flow.from, "read a range"))?;
            self.wait(summary.rows, began).await;
            after.clone_from(&range.until);
            reached_end = after.is_none();
            ranges.push((range, summary));
        }
        let passed = marker::pass(self.clients[flow.from], flow, self.request.patience).await?;
        let mut suspects = BTreeSet::new();
        for (range, from) in &ranges {
            // Beyond that there are more differences than are told.
            let most = from.rows.saturating_add(MORE);
            let to = self.summary(flow.to, subject, range, most).await?;
            if to != *from {
                suspects.extend(self.suspects(subject, range, most).await?);
            }
            table.rows += from.rows;
        }
        self.settle(subject, table, suspects).await?;
        table.position = Some(passed);
        table.is_cut = table.differences.len() >= DIFFERENCES;
        table.is_done = reached_end || table.is_cut;
        table.after = after;
        Ok(())
    }

    async fn summary(
        &mut self,
        side: Side,
        subject: &Subject,
        range: &Range,
        most: u64,
    ) -> Result<Summary, VerifyError> {
        let began = clock::now();
        let summary = range::summary(self.clients[side], subject, range, most).await;
        let summary = summary.map_err(VerifyError::on(side, "read a range"))?;
        self.wait(summary.rows, began).await;
        Ok(summary)
    }

    /// Takes note of what was read, and waits for its time to pass.
    async fn wait(&mut self, rows: u64, began: Instant) {
        let wait = self.throttle.read(rows, began, clock::now());
        tokio::time::sleep(wait).await;
    }

    /// The keys of a range whose rows are not the same at first sight.
    async fn suspects(
        &mut self,
        subject: &Subject,
        range: &Range,
        most: u64,
    ) -> Result<Vec<Vec<String>>, VerifyError> {
        let mut digests = PerSide::from_fn(|_| BTreeMap::new());
        for side in Side::ALL {
            let began = clock::now();
            let read = range::digests(self.clients[side], subject, range, most).await;
            let read = read.map_err(VerifyError::on(side, "read a range"))?;
            self.wait(u64::try_from(read.len()).unwrap_or(u64::MAX), began)
                .await;
            digests[side] = read.into_iter().collect();
        }
        let keys: BTreeSet<_> = digests.old.keys().chain(digests.new.keys()).collect();
        let differ = keys
            .into_iter()
            .filter(|key| digests.old.get(*key) != digests.new.get(*key));
        Ok(differ.cloned().collect())
    }

    /// Looks at suspects until each is the same, certainly different, or has been looked at often enough.
    async fn settle(
        &mut self,
        subject: &Subject,
        table: &mut TableProgress,
        suspects: BTreeSet<Vec<String>>,
    ) -> Result<(), VerifyError> {
        let suspects: Vec<_> = suspects.into_iter().collect();
        for keys in suspects.chunks(SUSPECTS) {
            let room = DIFFERENCES.saturating_sub(table.differences.len());
            if room == 0 {
                break;
            }
            let mut open: BTreeMap<&Vec<String>, Suspect> =
                keys.iter().map(|key| (key, Suspect::new())).collect();
            for _ in 0..LOOKS {
                if open.is_empty() {
                    break;
                }
                let differing = self.look(subject, &mut open).await?;
                let differing = differing.into_iter().take(DIFFERENCES);
                let differences =
                    differing.map(|(key, look)| difference(subject, self.request, key, &look));
                table.differences.extend(differences);
            }
            table.unsettled.extend(open.into_keys().cloned());
        }
        table.differences.truncate(DIFFERENCES);
        Ok(())
    }

    /// One look at all that are open; returns those that certainly differ, and closes what is decided.
    async fn look<'k>(
        &mut self,
        subject: &Subject,
        open: &mut BTreeMap<&'k Vec<String>, Suspect>,
    ) -> Result<Vec<(&'k Vec<String>, Look)>, VerifyError> {
        let flow = &self.request.flow;
        let mut differing = Vec::new();
        let from = self.rows(flow.from, subject, open).await?;
        let keys: Vec<_> = open.keys().copied().collect();
        for key in keys {
            let Some(suspect) = open.get_mut(key) else {
                continue;
            };
            if suspect.begin(from.get(key)) == Verdict::Differs {
                let look = open.remove(key).and_then(Suspect::into_look);
                differing.extend(look.map(|look| (key, look)));
            }
        }
        if open.is_empty() {
            return Ok(differing);
        }
        marker::pass(self.clients[flow.from], flow, self.request.patience).await?;
        let to = self.rows(flow.to, subject, open).await?;
        open.retain(|key, suspect| {
            let look = Look {
                from: from.get(*key).cloned(),
                to: to.get(*key).cloned(),
            };
            suspect.end(look) != Verdict::Same
        });
        Ok(differing)
    }

    async fn rows(
        &mut self,
        side: Side,
        subject: &Subject,
        open: &BTreeMap<&Vec<String>, Suspect>,
    ) -> Result<BTreeMap<Vec<String>, Row>, VerifyError> {
        let keys: Vec<_> = open.keys().copied().collect();
        let began = clock::now();
        let rows = row::look_up(self.clients[side], subject, &keys).await;
        let rows = rows.map_err(VerifyError::on(side, "look a row up"))?;
        self.wait(u64::try_from(rows.len()).unwrap_or(u64::MAX), began)
            .await;
        Ok(rows)
    }
}

fn difference(subject: &Subject, request: &Request, key: &[String], look: &Look) -> Difference {
    let (old, new) = match request.flow.from {
        Side::Old => (&look.from, &look.to),
        Side::New => (&look.to, &look.from),
    };
    let kind = match (old, new) {
        (Some(_), None) => Kind::OnlyOnOld,
        (None, Some(_)) => Kind::OnlyOnNew,
        (Some(_), Some(_)) | (None, None) => Kind::Differs,
    };
    let value = |row: &Option<Row>, column: usize| {
        let row = row.as_ref();
        row.and_then(|it| it.values.get(column).cloned()).flatten()
    };
    let columns = subject.columns.iter().enumerate();
    let differing: Vec<(usize, &String)> = match kind {
        Kind::Differs => columns
            .filter(|(it, _)| value(old, *it) != value(new, *it))
            .collect(),
        Kind::OnlyOnOld | Kind::OnlyOnNew => Vec::new(),
    };
    let of = |row: &Option<Row>| {
        let values = differing
            .iter()
            .map(|(it, name)| ((*name).clone(), value(row, *it)));
        values.collect()
    };
    let names = subject.key.iter().map(|it| it.column.clone());
    Difference {
        key: names.zip(key.iter().cloned()).collect(),
        kind,
        values: (request.with_values && kind == Kind::Differs).then(|| Values {
            old: of(old),
            new: of(new),
        }),
        columns: differing.iter().map(|(_, name)| (*name).clone()).collect(),
    }
}

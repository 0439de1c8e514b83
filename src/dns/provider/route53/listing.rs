//! Reads what a hosted zone has of some names, page by page, and as few pages as will do.

use std::{collections::BTreeSet, time::Duration};

use hickory_resolver::proto::rr::Name;
use http::Method;
use tokio::time::sleep;

use crate::{
    dns::provider::{
        ProviderError,
        api::escaped_text,
        route53::{
            client::{Client, strange},
            document::{Document, Listed, Page, Start},
            name,
            records::Held,
        },
    },
    plan::dns::Change,
};

/// The most record sets on one page, which is the most that Route 53 gives.
const PAGE_SETS: usize = 300;

/// No name has so many record sets that this would not do.
const PAGES_MAX: usize = 20;

/// From one page to the next: an account may make five calls a second, all that use it together.
const PACE: Duration = Duration::from_millis(250);

/// All that there is of the change's names and kinds.
///
/// # Errors
/// [`ProviderError`], also where some of it is more than records.
pub(super) async fn held(client: &Client, change: &Change) -> Result<Vec<Held>, ProviderError> {
    let subjects = change.subjects();
    let mut missing: BTreeSet<Name> = subjects.iter().map(|(name, _)| name.clone()).collect();
    let mut held = Vec::new();
    while let Some(name) = missing.pop_first() {
        let listed = listed_from(client, &name).await?;
        let mut seen = BTreeSet::new();
        // Other names that came along need not be asked for again.
        for (of, set) in listed {
            if of == name || missing.contains(&of) {
                held.extend(Held::of(&of, set, &subjects)?);
                seen.insert(of);
            }
        }
        missing.retain(|it| !seen.contains(it));
        if !missing.is_empty() {
            sleep(PACE).await;
        }
    }
    Ok(held)
}

/// All sets of this name, and all of some names after it.
async fn listed_from(client: &Client, name: &Name) -> Result<Vec<(Name, Listed)>, ProviderError> {
    let mut start = Start {
        name: name::written(name),
        kind: None,
        identifier: None,
    };
    let mut listed = Vec::new();
    for _ in 0..PAGES_MAX {
        let (sets, next) = page(client, &start).await?.parts()?;
        // What is no name is none of ours.
        let named = sets
            .into_iter()
            .filter_map(|it| Some((name::read(&it.name)?, it)));
        listed.extend(named);
        let Some(next) = next else {
            return Ok(listed);
        };
        let next_name = name::read(&next.name);
        if next_name.as_ref() != Some(name) {
            // Some of its sets may be on this page, and not all of them.
            listed.retain(|(of, _)| Some(of) != next_name.as_ref());
            return Ok(listed);
        }
        start = next;
        sleep(PACE).await;
    }
    Err(ProviderError::Refused {
        why: format!("{name} has more than {PAGES_MAX} pages of record sets"),
    })
}

async fn page(client: &Client, start: &Start) -> Result<Page, ProviderError> {
    let mut path = format!("{}?maxitems={PAGE_SETS}", client.zone_path());
    for (key, value) in [
        ("name", Some(&start.name)),
        ("type", start.kind.as_ref()),
        ("identifier", start.identifier.as_ref()),
    ] {
        if let Some(value) = value {
            path.push_str(&["&", key, "=", &escaped_text(value, '%')].concat());
        }
    }
    match client.call(Method::GET, path, String::new()).await? {
        Document::ListResourceRecordSetsResponse(page) => Ok(page),
        _other => Err(strange(&Method::GET, "it answered something else")),
    }
}

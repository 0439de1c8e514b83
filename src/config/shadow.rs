//! `[shadow]`: which requests are copied, and what of their answers is compared.

use std::time::Duration;

use http::HeaderName;

use crate::{
    config::{
        defaults,
        fault::Complaint,
        reader::{Section, Shape, choice, count, duration, list, parsed, percentage, size, text},
        scalar::{self, SHARE, quoted},
    },
    plan::{CopiedMethods, Ignored, Pointer, RoutePlan, Samples, ShadowPlan},
    units::Share,
};

/// The keys of `[shadow]`.
pub(super) const SHAPE: Shape = Shape {
    path: "shadow",
    keys: &[
        "share",
        "noise",
        "headers",
        "body_limit",
        "copies",
        "timeout",
        "max_difference",
        "samples",
        "ignore",
    ],
};

/// The keys of `[[shadow.ignore]]`.
pub(super) const IGNORE: Shape = Shape {
    path: "shadow.ignore",
    keys: &["path", "route"],
};

/// Which requests of a route are copied, as `[[route]]` names it.
pub(super) const METHODS: &[(&str, CopiedMethods)] = &[
    ("none", CopiedMethods::None),
    ("safe", CopiedMethods::Safe),
    ("all", CopiedMethods::All),
];

const SAMPLES: &[(&str, Samples)] = &[("masked", Samples::Masked), ("shown", Samples::Shown)];

/// Of an answer's head: more than anybody compares.
const HEADERS: usize = 32;
/// Places that are left out.
const IGNORED: usize = 200;

/// Reads `[shadow]`; `None` where the file has none.
pub(super) fn read(root: &Section<'_>, routes: &[RoutePlan]) -> Option<ShadowPlan> {
    const BODY: (u64, u64) = (1 << 10, 16 << 20);
    const TIMEOUT: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(120));
    let section = root.table("shadow", &SHAPE);
    if !section.is_present() {
        return None;
    }
    let default = defaults::shadow();
    let share = section.get("share", percentage(SHARE, scalar::share));
    let noise = section.get("noise", percentage(SHARE, noise));
    let field = parsed("the name of a header field", scalar::header_name);
    let headers = section.get("headers", list(HEADERS, field));
    let headers: Option<Vec<HeaderName>> =
        headers.map(|it| it.into_iter().map(|(name, _)| name).collect());
    let body_bytes = section.get("body_limit", size(BODY.0..=BODY.1));
    let copies = section.get("copies", count(1..=10_000));
    let timeout = section.get("timeout", duration(TIMEOUT.0..=TIMEOUT.1));
    let max_difference = section.get("max_difference", percentage(SHARE, max_difference));
    let samples = section.get("samples", choice(SAMPLES));
    Some(ShadowPlan {
        share: share.unwrap_or(default.share),
        noise: noise.unwrap_or(default.noise),
        headers: headers.unwrap_or(default.headers),
        ignore: ignored(&section, routes),
        body_bytes: body_bytes.unwrap_or(default.body_bytes),
        copies: copies.unwrap_or(default.copies),
        timeout: timeout.unwrap_or(default.timeout),
        max_difference,
        samples: samples.unwrap_or(default.samples),
    })
}

/// Without copies to old nothing is known of noise, and without any to new nothing of new.
fn noise(text: &str) -> Result<Share, Complaint> {
    scalar::share_within(text, 10_000..=900_000, "a share from \"1%\" to \"90%\"")
}

/// A share that can be told from nothing.
fn max_difference(text: &str) -> Result<Share, Complaint> {
    scalar::share_within(text, 100..=500_000, "a share from \"0.01%\" to \"50%\"")
}

fn ignored(section: &Section<'_>, routes: &[RoutePlan]) -> Vec<Ignored> {
    let mut found = Vec::new();
    for section in section.tables("ignore", &IGNORE, IGNORED) {
        let path = section.require("path", parsed(POINTER, pointer));
        let route = section.get("route", text());
        if let Some(name) = &route
            && routes.iter().all(|it| it.name != *name)
        {
            let complaint = Complaint::new(quoted(name), "the name of a [[route]]");
            section.note_value("route", complaint);
        }
        if let Some(path) = path {
            found.push(Ignored { path, route });
        }
    }
    found
}

const POINTER: &str = "a JSON pointer such as \"/items/*/id\"";

fn pointer(text: &str) -> Result<Pointer, Complaint> {
    let wrong = || Complaint::new(quoted(text), POINTER);
    Pointer::parse(text)
        .ok_or_else(|| wrong().remedy("begin with a slash; `*` is every element or member"))
}

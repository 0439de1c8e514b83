//! `[forwarding]`: whom to believe about the client's address.

use crate::{
    config::{
        reader::{Section, Shape, choice, list, parsed},
        scalar,
    },
    plan::ForwardingPlan,
};

/// The keys of `[forwarding]`.
pub(super) const SHAPE: Shape = Shape {
    path: "forwarding",
    keys: &["trusted", "alt_svc"],
};

/// As many networks as a content delivery network publishes, and more.
const NETWORKS: usize = 1_000;

const ALT_SVC: &[(&str, bool)] = &[("strip", false), ("keep", true)];

/// Reads `[forwarding]`.
pub(super) fn read(root: &Section<'_>) -> ForwardingPlan {
    let section = root.table("forwarding", &SHAPE);
    let network = parsed("a network such as \"10.0.0.0/8\"", scalar::network);
    let trusted = section.get("trusted", list(NETWORKS, network));
    let alt_svc = section.get("alt_svc", choice(ALT_SVC));
    ForwardingPlan {
        trusted: trusted.into_iter().flatten().map(|(it, _)| it).collect(),
        passes_alt_svc: alt_svc.unwrap_or(false),
    }
}

//! `[[listener]]`: where clients connect.

use crate::{
    config::{
        defaults,
        fault::Complaint,
        file,
        reader::{Section, Shape, list, parsed},
        scalar::{self, ADDRESS},
    },
    plan::{CertificatePlan, ListenerPlan},
};

/// The keys of `[[listener]]`.
pub(super) const SHAPE: Shape = Shape {
    path: "listener",
    keys: &["address", "certificates", "proxy_protocol"],
};

/// The keys of an entry of `certificates`.
pub(super) const CERTIFICATE: Shape = Shape {
    path: "listener.certificates",
    keys: &["chain", "key"],
};

/// More listeners than one proxy has use for.
const LISTENERS: usize = 64;
/// As many names as one listener serves certificates for.
const CERTIFICATES: usize = 1_000;
/// As many networks of load balancers as stand in front of one listener.
const NETWORKS: usize = 1_000;

/// Reads every `[[listener]]`; the default one if there is none. `admin` is the one other address taken.
pub(super) fn read(root: &Section<'_>, admin: std::net::SocketAddr) -> Vec<ListenerPlan> {
    if !root.has("listener") {
        return defaults::listeners();
    }
    let mut listeners: Vec<ListenerPlan> = Vec::new();
    let sections = root.tables("listener", &SHAPE, LISTENERS);
    if root.has_empty("listener") {
        root.note_value(
            "listener",
            Complaint::new("no listener", "at least one [[listener]]"),
        );
    }
    for section in sections {
        let address = section.require("address", parsed(ADDRESS, scalar::address));
        let certificates = read_certificates(&section, &CERTIFICATE);
        let network = parsed("a network such as \"10.0.0.0/8\"", scalar::network);
        let networks = section.get("proxy_protocol", list(NETWORKS, network));
        let Some(address) = address else { continue };
        if address.port() != 0 {
            if listeners.iter().any(|it| it.address == address) {
                section.note_duplicate("address", &address.to_string());
            }
            if address == admin {
                let complaint = Complaint::new(format!("{address}"), "another address");
                let remedy = "the admin API listens there; change one of the two";
                section.note_value("address", complaint.remedy(remedy));
            }
        }
        listeners.push(ListenerPlan {
            address,
            certificates,
            proxy_protocol: networks.into_iter().flatten().map(|(it, _)| it).collect(),
        });
    }
    listeners
}

/// Reads `certificates` of a section.
pub(super) fn read_certificates(
    section: &Section<'_>,
    shape: &'static Shape,
) -> Vec<CertificatePlan> {
    let read = |section: Section<'_>| {
        let chain = section.require("chain", file::certificates);
        let key = section.require("key", file::private_key);
        let (chain, key) = chain.zip(key)?;
        Some(CertificatePlan { chain, key })
    };
    let entries = section.tables("certificates", shape, CERTIFICATES);
    entries.into_iter().filter_map(read).collect()
}

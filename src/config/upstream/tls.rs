//! `[old.tls]` and `[new.tls]`: how `https://` endpoints are verified, and who we say we are.

use crate::{
    config::{
        fault::Complaint,
        file,
        reader::{Section, Shape, boolean, parsed},
        scalar::{self, HOST},
    },
    plan::{UpstreamTlsPlan, Verification},
};

/// The keys of the table.
pub(in crate::config) const SHAPE: Shape = Shape {
    path: "SIDE.tls",
    keys: &["server_name", "ca", "client_certificate", "verify"],
};

/// The keys of `client_certificate`.
pub(in crate::config) const CLIENT_CERTIFICATE: Shape = Shape {
    path: "SIDE.tls.client_certificate",
    keys: &["chain", "key"],
};

/// Reads the table; `speaks_tls` says whether any endpoint of the side uses it.
pub(super) fn read(side: &Section<'_>, speaks_tls: bool) -> UpstreamTlsPlan {
    let section = side.table("tls", &SHAPE);
    if section.is_present() && !speaks_tls {
        let found = format!("{} beside endpoints without TLS", section.label());
        let complaint = Complaint::new(found, "an \"https://\" endpoint to use it for");
        section.note(complaint.remedy("change the endpoints or leave the table out"));
    }
    let server_name = section.get("server_name", parsed(HOST, scalar::host));
    let ca = section.get("ca", file::certificates);
    let certificate = section.table("client_certificate", &CLIENT_CERTIFICATE);
    let client_certificate = certificate.is_present().then(|| {
        let chain = certificate.require("chain", file::certificates);
        let key = certificate.require("key", file::private_key);
        chain.zip(key)
    });
    let verification = match section.get("verify", boolean) {
        Some(false) => Verification::Off,
        Some(true) | None => Verification::Full,
    };
    if verification == Verification::Off && section.has("ca") {
        let complaint = Complaint::new("`ca` beside `verify = false`", "only one of them");
        section.note_key(
            "ca",
            complaint.remedy("remove `verify = false` to verify against `ca`"),
        );
    }
    UpstreamTlsPlan {
        server_name,
        ca,
        client_certificate: client_certificate.flatten(),
        verification,
    }
}

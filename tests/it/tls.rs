//! TLS as scanners see it: no version below 1.2, no weak suite, nothing of what was ever broken; and handshakes that no library
//! would begin.

use std::{
    fs,
    io::{Read, Write},
    net::TcpStream,
    sync::Arc,
    time::Duration,
};

use rustls::{ClientConfig, ClientConnection, RootCertStore, crypto::ring};
use serde_json::Value;

use crate::harness::{
    now,
    peers::tool,
    process::cpu,
    proxy::{Folder, Proxy, configuration},
};

/// The suites of TLS 1.2 that have forward secrecy and authenticated encryption, for either kind of key.
const TLS12: [&str; 6] = [
    "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256",
    "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384",
    "TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256",
    "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256",
    "TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384",
    "TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256",
];

/// Where a listener and the admin API show a certificate.
fn secured() -> (Folder, Proxy) {
    let folder = Folder::new();
    let made = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()]).expect("a certificate");
    folder.write("it.pem", &made.cert.pem());
    folder.write("it.key", &made.signing_key.serialize_pem());
    let certificates = "certificates = [{ chain = \"it.pem\", key = \"it.key\" }]";
    let text = configuration("http://127.0.0.1:9", "http://127.0.0.1:10", "")
        .replacen("[admin]\n", &format!("[admin]\n{certificates}\n"), 1)
        .replacen(
            "[[listener]]\n",
            &format!("[[listener]]\n{certificates}\n"),
            1,
        );
    folder.write("changeover.toml", &text);
    let proxy = Proxy::start_in(&folder);
    (folder, proxy)
}

/// The record that a client begins with.
fn hello() -> Vec<u8> {
    let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .expect("ring has them")
        .with_root_certificates(RootCertStore::empty())
        .with_no_client_auth();
    let name = "localhost".try_into().expect("a name");
    let mut client = ClientConnection::new(Arc::new(config), name).expect("a session");
    let mut record = Vec::new();
    client.write_tls(&mut record).expect("memory");
    record
}

const RECORD_HEAD: usize = 5;
const HANDSHAKE: u8 = 22;

/// The same message in records of so many bytes each.
fn in_pieces(record: &[u8], size: usize) -> Vec<u8> {
    let mut pieces = Vec::new();
    for piece in record[RECORD_HEAD..].chunks(size) {
        pieces.extend(&record[..3]);
        pieces.extend(u16::try_from(piece.len()).expect("small").to_be_bytes());
        pieces.extend(piece);
    }
    pieces
}

#[test]
fn a_hello_in_many_records_is_answered_and_one_that_is_taken_back_ends() {
    let (_folder, proxy) = secured();
    let hello = hello();
    for address in [proxy.address(), proxy.admin] {
        let connect = || {
            let stream = TcpStream::connect(address).expect("it listens");
            let patience = Some(Duration::from_secs(5));
            stream.set_read_timeout(patience).expect("it is open");
            stream
        };
        for size in [1, 100] {
            let mut client = connect();
            let pieces = in_pieces(&hello, size);
            client.write_all(&pieces).expect("it is open");
            let mut head = [0; RECORD_HEAD];
            client.read_exact(&mut head).expect("an answer");
            assert_eq!(head[0], HANDSHAKE, "{size}");
        }
        // close_notify, in plain, within the handshake.
        let mut client = connect();
        let (began, before) = (now(), cpu(proxy.pid()));
        let leaves = [&hello[..], &[21, 3, 3, 0, 2, 1, 0]].concat();
        client.write_all(&leaves).expect("it is open");
        let mut said = Vec::new();
        // It may be reset, since what came last is not read any more.
        let _ = client.read_to_end(&mut said);
        assert!(now() - began < Duration::from_secs(5), "it is closed");
        let spent = cpu(proxy.pid()).saturating_sub(before);
        assert!(spent < Duration::from_millis(200), "{spent:?}");
    }
}

#[test]
fn sslyze_rates_listeners_and_the_admin_api_well() {
    let (folder, proxy) = secured();
    let report = folder.path().join("sslyze.json");
    let mut command = tool("python");
    command
        .args(["-m", "sslyze", "--mozilla_config=intermediate"])
        .args(["--sslv2", "--sslv3", "--tlsv1", "--tlsv1_1"])
        .args(["--tlsv1_2", "--tlsv1_3", "--early_data", "--compression"])
        .args(["--reneg", "--heartbleed", "--openssl_ccs", "--ems"])
        .args(["--elliptic_curves", "--certinfo"])
        .arg(format!("--json_out={}", report.display()))
        .args([proxy.address().to_string(), proxy.admin.to_string()]);
    let output = command.output().expect("tests/run has installed it");
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    // Against Mozilla's recommendation there is nothing to say but of the test's own certificate.
    let (_, compliance) = said.split_once("COMPLIANCE AGAINST").expect("it compares");
    let faults: Vec<&str> = compliance
        .lines()
        .filter_map(|it| it.trim_start().strip_prefix("* "))
        .collect();
    assert!(!faults.is_empty(), "{said}");
    for fault in faults {
        let about = fault.split(':').next().unwrap_or_default();
        let of_certificate = [
            "certificate_path_validation",
            "maximum_certificate_lifespan",
        ];
        assert!(of_certificate.contains(&about), "{said}");
    }
    let report: Value =
        serde_json::from_str(&fs::read_to_string(&report).expect("a report")).expect("JSON");
    let scans = report["server_scan_results"].as_array().expect("a list");
    assert_eq!(scans.len(), 2);
    for scan in scans {
        rates_well(&scan["scan_result"]);
    }
}

fn rates_well(scan: &Value) {
    let result = |name: &str| {
        assert_eq!(scan[name]["status"], "COMPLETED", "{name}: {}", scan[name]);
        scan[name]["result"].clone()
    };
    let suites = |version: &str| -> Vec<String> {
        let found = result(&format!("{version}_cipher_suites"));
        let found = found["accepted_cipher_suites"]
            .as_array()
            .expect("a list")
            .clone();
        let names = found.iter().map(|it| it["cipher_suite"]["name"].as_str());
        names.map(|it| it.expect("a name").to_owned()).collect()
    };
    for version in ["ssl_2_0", "ssl_3_0", "tls_1_0", "tls_1_1"] {
        assert_eq!(suites(version), [""; 0], "{version}");
    }
    let tls12 = suites("tls_1_2");
    assert!(
        !tls12.is_empty() && tls12.iter().all(|it| TLS12.contains(&it.as_str())),
        "{tls12:?}"
    );
    assert_eq!(suites("tls_1_3").len(), 3);
    assert_eq!(result("tls_compression")["supports_compression"], false);
    let renegotiation = result("session_renegotiation");
    assert_eq!(
        renegotiation["is_vulnerable_to_client_renegotiation_dos"],
        false
    );
    assert_eq!(renegotiation["client_renegotiations_success_count"], 0);
    assert_eq!(result("tls_1_3_early_data")["supports_early_data"], false);
    assert_eq!(result("heartbleed")["is_vulnerable_to_heartbleed"], false);
    assert_eq!(
        result("openssl_ccs_injection")["is_vulnerable_to_ccs_injection"],
        false
    );
    assert_eq!(
        result("tls_extended_master_secret")["supports_ems_extension"],
        true
    );
    let curves = result("elliptic_curves")["supported_curves"].clone();
    let curves = curves.as_array().expect("a list").iter();
    let curves: Vec<&str> = curves
        .map(|it| it["name"].as_str().expect("a name"))
        .collect();
    let good = ["X25519", "secp256r1", "secp384r1"];
    assert!(curves.iter().all(|it| good.contains(it)), "{curves:?}");
}

//! TLS as scanners see it: no version below 1.2, no weak suite, nothing of what was ever broken.

use std::fs;

use serde_json::Value;

use crate::harness::{
    peers::tool,
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

#[test]
fn sslyze_rates_listeners_and_the_admin_api_well() {
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

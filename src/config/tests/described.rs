//! A plan in words, with its earliest times.

use super::{read, with};
use crate::{config::describe, units::Timestamp};

fn at(text: &str) -> Timestamp {
    let at: jiff::Timestamp = text.parse().expect("a time");
    Timestamp::from_micros(at.as_microsecond())
}

#[test]
fn a_plan_is_told_in_words() {
    let loaded = read(include_str!("described.toml")).expect("it is right");
    // A Sunday: the window opens on the next morning.
    let told = describe(&loaded, at("2026-11-22T10:00:00Z"), 100);
    assert_eq!(told, include_str!("described.txt"), "\n{told}");
    assert!(
        told.lines().all(|line| line.chars().count() <= 80),
        "{told}"
    );
}

#[test]
fn without_a_window_bakes_add_up_from_now() {
    let told = describe(&with(""), at("2026-11-22T10:00:00Z"), 100);
    assert!(
        told.contains("complete at the earliest: Sun 2026-11-22 11:00 UTC"),
        "{told}"
    );
}

#[test]
fn an_advance_waits_for_the_window_and_a_bake_does_not() {
    let loaded = with(
        "[ramp]\nwindow = \"Sun 02:00-04:00 UTC\"\n\
         step = [{ weight = \"5%\", bake = \"1h\" }, { weight = \"50%\", bake = \"2h\" }, { weight = \"100%\", bake = \"1h\" }]\n",
    );
    let told = describe(&loaded, at("2026-11-22T03:30:00Z"), 100);
    let times: Vec<&str> = told
        .lines()
        .filter_map(|it| it.split_once("Sun 2026-").map(|it| it.1))
        .collect();
    // 5% at once, 50% after the window has closed again: a week later; 100% a week after that.
    assert_eq!(
        times,
        [
            "11-22 03:30 UTC",
            "11-29 02:00 UTC",
            "12-06 02:00 UTC",
            "12-06 03:00 UTC"
        ],
        "{told}"
    );
}

#[test]
fn it_is_told_where_a_zone_is_changed_and_how_safe_that_is() {
    let check = |provider: &str, expected: &str| {
        let loaded = with(&format!(
            "[dns]\nzone = \"example.test\"\nprovider = {{ {provider} }}\n[[dns.name]]\nname = \"shop.example.test\"\n\
             from = {{ A = [\"192.0.2.1\"] }}\nto = {{ A = [\"192.0.2.2\"] }}\n"
        ));
        let told = describe(&loaded, at("2026-11-22T10:00:00Z"), 100);
        let words: Vec<&str> = told.split_whitespace().collect();
        assert!(words.join(" ").contains(expected), "{told}");
        assert!(!told.contains("hunter2"), "{told}");
    };
    let folder = tempfile::tempdir().expect("a directory");
    let secret = folder.path().join("dns.secret");
    std::fs::write(&secret, "hunter2").expect("writable");
    check(
        &format!(
            "kind = \"route53\", zone_id = \"/hostedzone/Z1\", access_key_id = \"AKIAIOSFODNN7EXAMPLE\", secret_file = {secret:?}"
        ),
        "by Route 53 as its hosted zone Z1, which compares values and TTLs",
    );
    check("kind = \"manual\"", "by hand: `changeover status` says");
    check(
        "kind = \"exec\", command = [\"change-dns\"]",
        "by \"change-dns\", and how safely",
    );
}

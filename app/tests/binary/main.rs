//! The real binary: what it prints, serves, refuses, and how it ends.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test may panic"
)]

mod https;
mod load;
mod plain;
mod process;
mod relay;

use std::{
    collections::BTreeSet,
    fs,
    time::{Duration, Instant},
};

use process::{Trefoil, run, written};

const KEYS: &str = "keys = [{ key = \"app\", secret = \"north-north-north-north-north-north\" }]";

#[test]
fn without_a_configuration_everything_starts_and_one_link_is_printed() {
    let trefoil = Trefoil::start(&[]);
    assert!(trefoil.banner.contains("development mode"), "{}", trefoil.banner);
    assert!(trefoil.banner.contains("STUN and TURN"), "{}", trefoil.banner);
    assert_eq!(trefoil.banner.matches("http://").count(), 1, "{}", trefoil.banner);
    assert!(trefoil.get("/").starts_with("HTTP/1.1 200"));
    assert!(trefoil.get("/healthz").starts_with("HTTP/1.1 200"));
}

#[test]
fn sigterm_ends_it_in_order() {
    let trefoil = Trefoil::start(&[]);
    let (code, log) = trefoil.terminate();
    assert_eq!(code, Some(0), "{log}");
    assert!(!log.contains("panicked") && !log.contains("ERROR"), "{log}");
}

#[test]
fn only_the_relay_runs_without_http_and_only_rooms_without_stun() {
    let relay = Trefoil::start(&["--only", "relay"]);
    assert!(
        relay.banner.contains("STUN and TURN") && !relay.banner.contains("http://"),
        "{}",
        relay.banner
    );
    let rooms = Trefoil::start(&["--only", "rooms"]);
    assert!(
        !rooms.banner.contains("STUN and TURN") && rooms.banner.contains("http://"),
        "{}",
        rooms.banner
    );
}

#[test]
fn a_public_address_without_keys_is_refused_with_what_to_do() {
    let (code, _, error) = run(&[
        "serve",
        "--http",
        "0.0.0.0:0",
        "--relay",
        "127.0.0.1:0",
        "--media",
        "127.0.0.1:0",
    ]);
    assert_ne!(code, Some(0));
    assert!(error.contains("keys"), "{error}");
}

#[test]
fn a_port_that_is_taken_is_named() {
    let first = Trefoil::start(&[]);
    let (code, _, error) = run(&[
        "serve",
        "--http",
        &first.http.to_string(),
        "--relay",
        "127.0.0.1:0",
        "--media",
        "127.0.0.1:0",
    ]);
    assert_ne!(code, Some(0));
    assert!(error.contains(&first.http.to_string()), "{error}");
}

#[test]
fn a_token_made_on_the_command_line_opens_its_room() {
    let file = written(&format!("[server]\n{KEYS}\n"));
    let trefoil = Trefoil::start(&["--config", &file]);
    let (code, token, error) = run(&["token", "--config", &file, "--room", "blue", "--identity", "ann"]);
    assert_eq!(code, Some(0), "{error}");
    let answer = trefoil.post("/v1/join", token.trim());
    assert!(
        answer.starts_with("HTTP/1.1 200") && answer.contains("\"room\":\"blue\""),
        "{answer}"
    );
    assert!(trefoil.post("/v1/join", "nonsense").starts_with("HTTP/1.1 401"));
    let (_, log) = trefoil.terminate();
    assert!(
        !log.contains(token.trim()) && !log.contains("north-north"),
        "a secret is in the log: {log}"
    );
}

#[test]
fn check_prints_what_would_run_and_never_a_secret() {
    let file = written(&format!(
        "[server]\n{KEYS}\n[relay]\nsecrets = [\"south-south-south-south\"]\n"
    ));
    let (code, printed, error) = run(&["check", "--config", &file]);
    assert_eq!(code, Some(0), "{error}");
    assert!(
        printed.contains("port_range") && printed.contains("***"),
        "{printed}"
    );
    assert!(
        !printed.contains("north-") && !printed.contains("south-"),
        "{printed}"
    );
}

#[test]
fn check_names_the_setting_that_is_wrong() {
    for (text, named) in [
        ("[relay]\ndeny_peers = [\"10.0.0.0/99\"]\n", "deny_peers"),
        (
            "[server]\nkeys = [{ key = \"app\", secret = \"short\" }]\n",
            "secret",
        ),
        ("[relay]\nport_range = \"9-1\"\n", "port range"),
    ] {
        let (code, _, error) = run(&["check", "--config", &written(text)]);
        assert_ne!(code, Some(0), "{text}");
        assert!(error.contains(named), "{error}");
    }
}

#[test]
fn every_metric_is_listed_in_operations_and_the_other_way_round() {
    let trefoil = Trefoil::start(&[]);
    let metrics = trefoil.get("/metrics");
    let shown: BTreeSet<&str> = metrics
        .lines()
        .filter_map(|line| line.strip_prefix("# TYPE ")?.split_whitespace().next())
        .collect();
    let page = fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/OPERATIONS.md")).unwrap();
    let listed: BTreeSet<&str> = page
        .lines()
        .filter_map(|line| line.strip_prefix("| `trefoil_")?.split('`').next())
        .collect();
    let listed: BTreeSet<String> = listed.iter().map(|name| format!("trefoil_{name}")).collect();
    let shown: BTreeSet<String> = shown.iter().map(|name| (*name).to_owned()).collect();
    assert!(!shown.is_empty(), "{metrics}");
    assert_eq!(shown, listed, "docs/OPERATIONS.md and /metrics differ");
}

#[test]
fn doctor_finds_a_good_server_good_and_names_what_is_wrong_with_others() {
    let file = written("[relay]\nsecrets = [\"south-south-south-south\"]\n");
    let trefoil = Trefoil::start(&["--config", &file]);
    let server = trefoil.relay.to_string();
    let (code, printed, error) = run(&["doctor", "--config", &file, "--server", &server]);
    assert_eq!(code, Some(0), "{printed}{error}");
    assert!(
        printed.contains("relay to relay: data arrived whole"),
        "{printed}"
    );

    let (code, printed, _) = run(&["doctor", "--secret", "another", "--server", &server]);
    assert_ne!(code, Some(0));
    assert!(printed.contains("does not know these credentials"), "{printed}");

    trefoil.terminate();
    let (code, printed, _) = run(&["doctor", "--config", &file, "--server", &server]);
    assert_ne!(code, Some(0));
    assert!(printed.contains("nobody listens there"), "{printed}");
}

#[test]
fn detailed_metrics_tell_what_an_identity_has_relayed_and_only_if_they_are_asked_for() {
    for detailed in [true, false] {
        let file = written(&format!(
            "[relay]\nsecrets = [\"south-south-south-south\"]\ndetailed_metrics = {detailed}\n"
        ));
        let trefoil = Trefoil::start(&["--config", &file]);
        let (code, printed, error) = run(&[
            "doctor",
            "--config",
            &file,
            "--server",
            &trefoil.relay.to_string(),
        ]);
        assert_eq!(code, Some(0), "{printed}{error}");
        let until = Instant::now() + Duration::from_secs(20);
        let shown = |metrics: &str| {
            let line = metrics
                .lines()
                .find(|line| line.contains("identity=\"doctor\",direction=\"from_client\""));
            line.and_then(|line| line.rsplit(' ').next()?.parse::<u64>().ok())
        };
        // The counters are taken down about once a second; ended allocations are counted in the same breath.
        let metrics = loop {
            let metrics = trefoil.get("/metrics");
            let made = metrics.contains("trefoil_relay_allocations_made_total 2");
            if made && (!detailed || shown(&metrics).is_some_and(|bytes| bytes > 0)) {
                break metrics;
            }
            assert!(Instant::now() < until, "{metrics}");
        };
        assert_eq!(metrics.contains("doctor"), detailed, "{metrics}");
    }
}

//! coturn's own client against a running relay, for flows over UDP.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::expect_used,
    reason = "a test's helpers fail as the test does"
)]

use std::io::Read;
use std::net::UdpSocket;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use trefoil_relay::{Relay, RelayConfig, RelayTls, Secret};

fn config(threads: u16) -> RelayConfig {
    RelayConfig {
        listen: vec!["127.0.0.1:0".parse().unwrap()],
        users: [("ann".to_owned(), Secret::new("north"))].into(),
        secrets: vec![Secret::new("rotated"), Secret::new("current")],
        relay_addresses: vec!["127.0.0.1".parse().unwrap(), "::1".parse().unwrap()],
        allow_peers: vec!["127.0.0.2/32".to_owned()],
        threads,
        port_range: "61000-65535".parse().unwrap(),
        ..RelayConfig::default()
    }
}

fn relay(threads: u16) -> Relay {
    Relay::start(config(threads)).unwrap()
}

/// A new certificate for localhost, in files of this process.
fn certificate_files(folder: &str) -> (PathBuf, PathBuf) {
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let folder = std::env::temp_dir().join(format!("trefoil-uclient-{folder}-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let paths = (folder.join("certificate.pem"), folder.join("key.pem"));
    std::fs::write(&paths.0, made.cert.pem()).unwrap();
    std::fs::write(&paths.1, made.signing_key.serialize_pem()).unwrap();
    paths
}

/// A peer that sends everything back, for as long as it lives.
struct Echo {
    port: u16,
    stop: Arc<AtomicBool>,
}

impl Echo {
    fn start() -> Echo {
        let socket = UdpSocket::bind("127.0.0.2:0").unwrap();
        socket.set_read_timeout(Some(Duration::from_millis(200))).unwrap();
        let (port, stop) = (
            socket.local_addr().unwrap().port(),
            Arc::new(AtomicBool::new(false)),
        );
        let stopped = stop.clone();
        std::thread::spawn(move || {
            let mut buffer = [0; 2048];
            while !stopped.load(Ordering::Acquire) {
                if let Ok((length, from)) = socket.recv_from(&mut buffer) {
                    let _ = socket.send_to(&buffer[..length], from);
                }
            }
        });
        Echo { port, stop }
    }
}

impl Drop for Echo {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Release);
    }
}

/// Runs the client and returns what it printed; fails if it takes a minute.
fn uclient(relay: &Relay, arguments: &[&str]) -> String {
    let port = relay.listening()[0].port().to_string();
    let mut command = Command::new("turnutils_uclient");
    command
        .args(["-p", &port, "-n", "5", "-m", "2", "-l", "170"])
        .args(arguments)
        .arg("127.0.0.1");
    let started = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn();
    let mut child = started.expect("turnutils_uclient must be installed: kit/lab/setup.sh does it");
    let deadline = Instant::now() + Duration::from_secs(60);
    let mut out = child.stdout.take().unwrap();
    let reader = std::thread::spawn(move || {
        let mut text = String::new();
        let _ = out.read_to_string(&mut text);
        text
    });
    while !reader.is_finished() {
        if Instant::now() > deadline {
            child.kill().unwrap();
            panic!("{arguments:?}: no end after a minute");
        }
        std::thread::park_timeout(Duration::from_millis(20));
    }
    let status = child.wait().unwrap();
    let text = reader.join().unwrap();
    assert!(status.success(), "{arguments:?}: {status}\n{text}");
    text
}

/// Nothing was lost, and something was sent.
fn check_flow(relay: &Relay, arguments: &[&str]) {
    let text = uclient(relay, arguments);
    let all = text
        .lines()
        .rfind(|line| line.contains("tot_send_msgs"))
        .unwrap_or_default();
    let number = |name: &str| -> u32 {
        let after = all.split_once(name).map(|(_, rest)| rest).unwrap_or_default();
        after
            .trim_start_matches(['=', ' ', ':'])
            .split(|c: char| !c.is_ascii_digit())
            .next()
            .unwrap()
            .parse()
            .unwrap()
    };
    let (sent, received) = (number("tot_send_msgs"), number("tot_recv_msgs"));
    assert!(sent >= 10 && sent == received, "{arguments:?}: {all}\n{text}");
}

/// Runs several flows at once: each of them mostly waits.
fn check_flows(relay: &Relay, common: &[&str], extras: &[&[&str]]) {
    std::thread::scope(|scope| {
        for extra in extras {
            scope.spawn(move || check_flow(relay, &[common, extra].concat()));
        }
    });
}

#[test]
fn data_goes_to_a_peer_and_back_through_channels_and_indications() {
    let (relay, echo) = (relay(1), Echo::start());
    let port = echo.port.to_string();
    let common = ["-u", "ann", "-w", "north", "-e", "127.0.0.2", "-r", &port, "-c"];
    check_flows(&relay, &common, &[&[], &["-s"]]);
}

#[test]
fn two_clients_meet_through_their_relayed_addresses_also_across_shards() {
    for threads in [1, 3] {
        let common = ["-u", "ann", "-w", "north", "-y", "-c", "-m", "8"];
        check_flows(&relay(threads), &common, &[&[], &["-s"]]);
    }
}

#[test]
fn clients_over_tcp_and_tls_reach_peers_and_each_other() {
    let (certificate, key) = certificate_files("udp");
    let tls = RelayTls {
        listen: vec!["127.0.0.1:0".parse().unwrap()],
        certificate,
        key,
    };
    let relay = Relay::start(RelayConfig {
        tls: Some(tls),
        ..config(2)
    })
    .unwrap();
    let port = relay.listening_tls()[0].port().to_string();
    let secured = ["-t", "-S", "-p", &port];
    let common = ["-u", "ann", "-w", "north", "-y", "-c"];
    check_flows(
        &relay,
        &common,
        &[
            &["-t"],
            &["-t", "-s"],
            &secured,
            &[&secured[..], &["-s"]].concat(),
        ],
    );
}

#[test]
fn a_mobile_client_an_ipv6_relay_and_reserved_ports() {
    check_flows(
        &relay(2),
        &["-u", "ann", "-w", "north", "-y"],
        &[&["-M"], &["-X"], &["-x"]],
    );
}

#[test]
fn time_limited_credentials_are_taken_with_each_secret() {
    let (relay, echo) = (relay(1), Echo::start());
    let port = echo.port.to_string();
    let common = ["-u", "bob", "-e", "127.0.0.2", "-r", &port, "-c"];
    check_flows(&relay, &common, &[&["-W", "rotated"], &["-W", "current"]]);
}

#[test]
fn clients_reach_each_other_over_tcp_allocations() {
    let (certificate, key) = certificate_files("tcp");
    let relay = Relay::start(RelayConfig {
        tls: Some(RelayTls {
            listen: vec!["127.0.0.1:0".parse().unwrap()],
            certificate,
            key,
        }),
        tcp_allocations: true,
        tcp_peer_ports: vec!["61000-65535".to_owned()],
        ..config(2)
    })
    .unwrap();
    let port = relay.listening_tls()[0].port().to_string();
    check_flows(
        &relay,
        &["-u", "ann", "-w", "north", "-T"],
        &[&[], &["-S", "-p", &port]],
    );
}

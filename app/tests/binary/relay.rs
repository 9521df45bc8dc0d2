//! The traversal server in the real binary.

use std::io::Read;
use std::net::TcpListener;

use crate::process::{Trefoil, run, written};

const SECRETS: &str = "secrets = [\"south-south-south-south\"]";

/// A server with TURN over TLS whose key is of this kind; the server, its port, and the certificate's file.
pub(crate) fn over_tls(algorithm: &'static rcgen::SignatureAlgorithm) -> (Trefoil, u16, String) {
    let key = rcgen::KeyPair::generate_for(algorithm).unwrap();
    let names = ["localhost".to_owned()];
    let made = rcgen::CertificateParams::new(names)
        .unwrap()
        .self_signed(&key)
        .unwrap();
    let (certificate, key) = (written(&made.pem()), written(&key.serialize_pem()));
    // The relay does not print where it listens over TLS, so the port is chosen here.
    let port = TcpListener::bind("127.0.0.1:0")
        .and_then(|socket| socket.local_addr())
        .unwrap()
        .port();
    let config = written(&format!(
        "[relay]\n{SECRETS}\n[relay.tls]\nlisten = [\"127.0.0.1:{port}\"]\n\
         certificate = \"{certificate}\"\nkey = \"{key}\"\n"
    ));
    (
        Trefoil::start(&["--only", "relay", "--config", &config]),
        port,
        certificate,
    )
}

/// Runs the doctor with the right secret: its exit code, and what it printed.
fn doctor(server: &str, arguments: &[&str]) -> (Option<i32>, String) {
    let common = [
        "doctor",
        "--secret",
        "south-south-south-south",
        "--server",
        server,
    ];
    let (code, printed, error) = run(&[&common[..], arguments].concat());
    (code, printed + &error)
}

#[test]
fn an_rsa_certificate_serves_tls_and_the_log_says_that_dtls_is_off() {
    for (algorithm, off) in [
        (&rcgen::PKCS_RSA_SHA256, true),
        (&rcgen::PKCS_ECDSA_P256_SHA256, false),
    ] {
        let (trefoil, port, certificate) = over_tls(algorithm);
        let (code, printed) = doctor(&format!("turns:localhost:{port}"), &["--ca", &certificate]);
        assert_eq!(code, Some(0), "{printed}");
        let (code, log) = trefoil.terminate();
        assert_eq!(code, Some(0), "{log}");
        assert_eq!(log.contains("DTLS is off"), off, "{log}");
        assert_eq!(log.contains("--key-type ecdsa"), off, "{log}");
    }
}

#[test]
fn doctor_finds_a_good_server_good_over_tcp_and_tls() {
    let (trefoil, port, certificate) = over_tls(&rcgen::PKCS_ECDSA_P256_SHA256);
    let relay = trefoil.relay.to_string();
    for (server, arguments, over) in [
        (format!("turn:{relay}?transport=tcp"), vec![], "TCP"),
        (relay.clone(), vec!["--transport", "tcp"], "TCP"),
        (relay, vec![], "UDP"),
        (
            format!("turns:localhost:{port}"),
            vec!["--ca", &certificate],
            "TLS",
        ),
        (
            format!("localhost:{port}"),
            vec!["--transport", "tls", "--ca", &certificate],
            "TLS",
        ),
    ] {
        let (code, printed) = doctor(&server, &arguments);
        assert_eq!(code, Some(0), "{printed}");
        assert!(
            printed.contains(&format!(" over {over} would serve a call")),
            "{printed}"
        );
        assert!(
            printed.contains("relay to relay: data arrived whole"),
            "{printed}"
        );
    }
}

#[test]
fn doctor_says_what_is_wrong_over_tcp_and_tls_and_what_to_do() {
    let (trefoil, port, certificate) = over_tls(&rcgen::PKCS_ECDSA_P256_SHA256);
    let relay = trefoil.relay.to_string();
    let secured = format!("turns:localhost:{port}");
    let elsewhere = format!("turns:127.0.0.1:{port}");
    for (server, arguments, expected) in [
        // A certificate that nobody knows, and one for another name.
        (secured.as_str(), vec![], "fullchain.pem"),
        (
            &elsewhere,
            vec!["--ca", &certificate],
            "the name that its certificate is for",
        ),
        // TLS where there is none, and plain messages where there is TLS.
        (
            &format!("turns:{relay}"),
            vec!["--ca", &certificate],
            "speaks no TLS",
        ),
        (
            &format!("turn:127.0.0.1:{port}?transport=tcp"),
            vec![],
            "something else than a STUN server",
        ),
        (&secured, vec!["--ca", "no/such.pem"], "no/such.pem"),
    ] {
        let (code, printed) = doctor(server, &arguments);
        assert_ne!(code, Some(0), "{printed}");
        assert!(printed.contains(expected), "{server}: {printed}");
    }
    let common = ["doctor", "--secret", "another", "--server"];
    let (code, printed, _) = run(&[&common[..], &[&secured, "--ca", &certificate]].concat());
    assert_ne!(code, Some(0));
    assert!(printed.contains("does not know these credentials"), "{printed}");
    trefoil.terminate();
    for server in [format!("turn:{relay}?transport=tcp"), secured] {
        let (code, printed) = doctor(&server, &["--ca", &certificate]);
        assert_ne!(code, Some(0));
        assert!(
            printed.contains("nobody listens there") && printed.contains("TCP"),
            "{printed}"
        );
    }
}

#[test]
fn doctor_is_not_fooled_by_something_else_that_listens() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let web = std::thread::spawn(move || {
        for stream in listener.incoming().take(2) {
            let mut stream = stream.unwrap();
            assert!(stream.read(&mut [0; 512]).unwrap() > 0);
            std::io::Write::write_all(&mut stream, b"HTTP/1.1 400 Bad Request\r\n\r\n").unwrap();
        }
    });
    for (server, expected) in [
        (
            format!("turn:{address}?transport=tcp"),
            "something else than a STUN server",
        ),
        (format!("turns:{address}"), "Something else answers there"),
    ] {
        let (code, printed) = doctor(&server, &[]);
        assert_ne!(code, Some(0));
        assert!(printed.contains(expected), "{printed}");
    }
    web.join().unwrap();
}

//! The traversal server in the real binary.

use crate::process::{Trefoil, written};

const SECRETS: &str = "secrets = [\"south-south-south-south\"]";

/// A server with TURN over TLS whose key is of this kind; the server, its port, and the certificate's file.
pub(crate) fn over_tls(algorithm: &'static rcgen::SignatureAlgorithm) -> (Trefoil, u16, String) {
    let key = rcgen::KeyPair::generate_for(algorithm).unwrap();
    let names = ["localhost".to_owned(), "127.0.0.1".to_owned()];
    let made = rcgen::CertificateParams::new(names)
        .unwrap()
        .self_signed(&key)
        .unwrap();
    let (certificate, key) = (written(&made.pem()), written(&key.serialize_pem()));
    // The relay does not print where it listens over TLS, so the port is chosen here.
    let port = std::net::TcpListener::bind("127.0.0.1:0")
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

#[test]
fn an_rsa_certificate_serves_tls_and_the_log_says_that_dtls_is_off() {
    for (algorithm, off) in [
        (&rcgen::PKCS_RSA_SHA256, true),
        (&rcgen::PKCS_ECDSA_P256_SHA256, false),
    ] {
        let (trefoil, _, _) = over_tls(algorithm);
        let (code, log) = trefoil.terminate();
        assert_eq!(code, Some(0), "{log}");
        assert_eq!(log.contains("DTLS is off"), off, "{log}");
        assert_eq!(log.contains("--key-type ecdsa"), off, "{log}");
    }
}

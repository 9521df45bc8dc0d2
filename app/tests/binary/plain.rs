//! Gateways: who lets them in, and what of them is refused.

use crate::process::{Trefoil, written};

const KEY: &str = "app:north-north-north-north-north-north";
const PLAIN: &str = "/v1/namespaces/default/rooms/hall/plain";

fn server(plain_rtp: &str) -> Trefoil {
    let text = format!(
        "[server]\nkeys = [{{ key = \"app\", secret = \"north-north-north-north-north-north\" }}]\n\
         [server.plain_rtp]\n{plain_rtp}\n[media]\nlisten = [\"127.0.0.1:0\"]\n"
    );
    let trefoil = Trefoil::start(&["--config", &written(&text)]);
    let made = trefoil.administer(
        "PUT",
        "/v1/namespaces/default/rooms/hall",
        KEY,
        r#"{"topology":"mixed"}"#,
    );
    assert!(made.starts_with("HTTP/1.1 201"), "{made}");
    trefoil
}

fn gateway(remote: &str, more: &str) -> String {
    format!(r#"{{"identity":"gate","remote":"{remote}","codec":"PCMU","payload_type":0{more}}}"#)
}

#[test]
fn a_gateway_has_a_seat_until_it_is_taken_out() {
    let trefoil = server("enabled = true");
    let entered = trefoil.administer("POST", PLAIN, KEY, &gateway("127.0.0.1:4000", ""));
    assert!(entered.starts_with("HTTP/1.1 201"), "{entered}");
    assert!(entered.contains("\"local\":\"127.0.0.1:"), "{entered}");
    let id = entered
        .split("\"participant\":\"")
        .nth(1)
        .and_then(|rest| rest.split('"').next());
    let inside = |id: &str| {
        let list = "/v1/namespaces/default/rooms/hall/participants";
        trefoil.administer("GET", list, KEY, "").contains(id)
    };
    let id = id.unwrap();
    assert!(inside(id));
    let twice = trefoil.administer(
        "POST",
        PLAIN,
        KEY,
        &gateway("127.0.0.1:4000", "").replace("gate", "gate2"),
    );
    assert!(
        twice.starts_with("HTTP/1.1 400") && twice.contains("an address and port of its own"),
        "{twice}"
    );
    let gone = trefoil.administer("DELETE", &format!("{PLAIN}/{id}"), KEY, "");
    assert!(gone.starts_with("HTTP/1.1 204"), "{gone}");
    assert!(!inside(id));
    let again = trefoil.administer("DELETE", &format!("{PLAIN}/{id}"), KEY, "");
    assert!(again.contains("no_such_participant"), "{again}");
    let denoised = gateway("127.0.0.1:4000", r#","denoise":true"#);
    let back = trefoil.administer("POST", PLAIN, KEY, &denoised);
    assert!(back.starts_with("HTTP/1.1 201"), "{back}");
}

#[test]
fn what_a_gateway_may_not_is_refused_with_what_to_do() {
    let off = server("");
    let refused = off.administer("POST", PLAIN, KEY, &gateway("127.0.0.1:4000", ""));
    assert!(refused.contains("server.plain_rtp.enabled"), "{refused}");

    let trefoil = server("enabled = true");
    for (body, word) in [
        (gateway("192.0.2.7:4000", ""), "server.plain_rtp.peers"),
        (gateway("127.0.0.1:0", ""), "server.plain_rtp.peers"),
        (gateway("gateway.example:4000", ""), "address and a port"),
        (gateway("[::1]:4000", ""), "same family"),
        (gateway("127.0.0.1:4000", r#","packet_ms":25"#), "packet_ms"),
        (
            gateway(
                "127.0.0.1:4000",
                r#","srtp":{"to_gateway":"QQ==","from_gateway":"QQ=="}"#,
            ),
            "30 bytes",
        ),
    ] {
        let refused = trefoil.administer("POST", PLAIN, KEY, &body);
        assert!(
            refused.starts_with("HTTP/1.1 400") && refused.contains(word),
            "{body}: {refused}"
        );
    }
    let nobody = trefoil.administer("POST", PLAIN, "app:wrong", &gateway("127.0.0.1:4000", ""));
    assert!(nobody.starts_with("HTTP/1.1 401"), "{nobody}");
}

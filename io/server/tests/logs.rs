//! Nothing secret reaches the log at `debug` or above. In a file of its own: the log belongs to the whole process.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests"
)]
#![allow(clippy::too_many_lines, reason = "one story")]

#[path = "server/support/mod.rs"]
mod support;

use std::{
    io,
    sync::{Arc, Mutex},
};

use serde_json::json;
use support::*;
use tracing_subscriber::fmt::MakeWriter;

#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Log {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

/// FAULTS W11: no token in the log; nor a secret, an identity, a name or a client's address.
#[tokio::test]
async fn tokens_secrets_names_and_addresses_do_not_reach_the_log() {
    let log = Log::default();
    tracing_subscriber::fmt()
        .with_max_level(tracing::Level::DEBUG)
        .with_writer(log.clone())
        .init();
    let server = start_with_keys(|_| {}).await;
    let address = server.listening();
    let join = token(
        address,
        json!({"room":"private-room","identity":"ann-identity","name":"Ann Name"}),
    )
    .await;
    let other = token(
        address,
        json!({"room":"private-room","identity":"bob-identity","name":"Bob Name"}),
    )
    .await;
    let bearer = format!("authorization: Bearer {join}\r\n");
    assert_eq!(http(address, "POST", "/v1/join", &bearer, "").await.status, 200);
    assert_eq!(
        http(
            address,
            "POST",
            "/v1/join",
            &bearer.replace("Bearer ", "Bearer x"),
            ""
        )
        .await
        .status,
        401
    );
    assert_eq!(
        http(
            address,
            "GET",
            "/v1/namespaces",
            &basic("main", "a wrong secret"),
            ""
        )
        .await
        .status,
        401
    );
    let mut ann = Client::join(address, json!({"token":join})).await;
    let client = ann.socket.get_ref().local_addr().unwrap();
    let bob = Client::join(address, json!({"token":other})).await;
    ann.expect("participant_joined").await;
    ann.send(json!({"type":"signal","to":bob.id(),"data":"signalled-data"}))
        .await;
    ann.send_text("malformed-text").await;
    ann.expect("refused").await;
    assert_eq!(
        Client::refused(address, json!({"token":format!("{join}x")})).await,
        "unauthorized"
    );
    let before = ann.break_off();
    let back = Client::join(
        address,
        json!({"resume":{"token":before["resume"]["token"],"received":1}}),
    )
    .await;
    let turn = before["ice_servers"][1].clone();
    let secrets = [
        join.clone(),
        other,
        SECRET.to_owned(),
        "a wrong secret".to_owned(),
        before["resume"]["token"].as_str().unwrap().to_owned(),
        back.resume_token().to_owned(),
        turn["credential"].as_str().unwrap().to_owned(),
        "ann-identity".to_owned(),
        "Ann Name".to_owned(),
        "signalled-data".to_owned(),
        "malformed-text".to_owned(),
        client.to_string(),
    ];
    tokio::join!(server.stop(), async { drop((back, bob)) });
    let log = String::from_utf8(log.0.lock().unwrap().clone()).unwrap();
    assert!(
        log.contains("refused") && log.contains("DEBUG"),
        "the log is being watched: {log}"
    );
    for secret in secrets {
        assert!(!log.contains(&secret), "{secret} is in the log:\n{log}");
        let inner = secret.split('.').nth(1).filter(|part| part.len() > 20);
        assert!(
            inner.is_none_or(|part| !log.contains(part)),
            "a part of {secret} is in the log:\n{log}"
        );
    }
}

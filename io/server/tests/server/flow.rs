//! Two clients meet over HTTP and WebSocket, talk, and part.

use crate::support::*;
use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::Message;

#[tokio::test]
async fn two_guests_meet_talk_and_part() {
    let server = start(|_| {}).await;
    let address = server.listening();
    let answer = http(address, "POST", "/v1/join", "", r#"{"name":"Ann"}"#).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    let asked = answer.json();
    assert_eq!(asked["signalling_url"], format!("ws://{address}/v1/signal"));
    assert_eq!(
        (&asked["namespace"], &asked["room"], &asked["name"]),
        (&json!("default"), &json!("lobby"), &json!("Ann"))
    );
    assert_eq!(asked["participants"], json!([]));
    assert_eq!(asked["ice_servers"][0]["urls"], json!(["stun:127.0.0.1:3478"]));

    let mut ann = Client::join(address, json!({"token": asked["token"]})).await;
    assert_eq!(
        ann.joined["room"],
        json!({"namespace":"default","name":"lobby","topology":"p2p","member_limit":16,"locked":false})
    );
    assert_eq!(ann.joined["heartbeat_seconds"], 10);
    assert_eq!(ann.joined["resume"]["window_seconds"], 30);
    let mut bob = Client::guest(address, "lobby", "Bob").await;
    assert_eq!(bob.joined["participants"].as_array().unwrap().len(), 2);
    let seen = ann.expect("participant_joined").await;
    assert_eq!(
        (&seen["participant"]["id"], &seen["participant"]["name"]),
        (&bob.joined["you"], &json!("Bob"))
    );

    let data = r#"{ "description":{"type":"offer", "sdp":"v=0\r\n"},"n":1.0 }"#;
    ann.send_text(&format!(
        r#"{{"type":"signal","to":"{}","data":{data}}}"#,
        bob.id()
    ))
    .await;
    assert_eq!(
        bob.next_text().await,
        format!(r#"{{"type":"signal","from":"{}","data":{data}}}"#, ann.id())
    );
    bob.send(json!({"type":"message","data":{"text":"hello"}})).await;
    assert_eq!(
        ann.next().await,
        json!({"type":"message","from":bob.id(),"data":{"text":"hello"}})
    );
    bob.hears_nothing().await;

    bob.send(json!({"type":"leave"})).await;
    assert_eq!(bob.next().await, json!({"type":"left","reason":"left"}));
    assert_eq!(bob.close_code().await, 1000);
    let bob = bob.break_off();
    assert_eq!(
        ann.next().await,
        json!({"type":"participant_left","participant":bob["you"],"reason":"left"})
    );
    let end = async {
        assert_eq!(ann.expect("left").await["reason"], "server_stopping");
        assert_eq!(ann.close_code().await, 1001);
        drop(ann);
    };
    tokio::join!(server.stop(), end);
}

#[tokio::test]
async fn turn_credentials_are_of_the_kind_that_the_turn_server_checks() {
    let server = start(|_| {}).await;
    let mut ann = Client::guest(server.listening(), "lobby", "Ann").await;
    ann.send(json!({"type":"ice_servers"})).await;
    let asked = ann.expect("ice_servers").await;
    for servers in [&ann.joined["ice_servers"], &asked["ice_servers"]] {
        let turn: &Value = &servers[1];
        let username = turn["username"].as_str().unwrap();
        let identity = ann.joined["participants"][0]["identity"].as_str().unwrap();
        assert!(username.ends_with(&format!(":{identity}")), "{username}");
        assert!(trefoil_auth::turn_expiry(username).is_some());
        assert_eq!(
            turn["credential"],
            trefoil_auth::turn_password(b"north", username)
        );
        assert_eq!(turn["urls"], json!(["turn:127.0.0.1:3478?transport=udp"]));
    }
    assert_eq!(asked["ice_ttl_seconds"], 3600);
}

#[tokio::test]
async fn a_connection_that_the_caller_brings_is_served_like_any_other() {
    let server = start(|_| {}).await;
    let address = server.listening();
    let (near, far) = tokio::io::duplex(64 * 1024);
    let served = tokio::spawn(server.serve_connection(far, "192.0.2.1:443".parse().unwrap()));
    let (mut socket, _) = tokio_tungstenite::client_async(request(address), near)
        .await
        .unwrap();
    served.await.unwrap();
    let mut ann = Client::guest(address, "lobby", "Ann").await;
    socket
        .send(Message::text(
            r#"{"type":"join","version":1,"name":"Over another transport"}"#,
        ))
        .await
        .unwrap();
    assert_eq!(
        ann.expect("participant_joined").await["participant"]["name"],
        "Over another transport"
    );
    let joined = socket.next().await.unwrap().unwrap().into_text().unwrap();
    assert!(joined.starts_with(r#"{"type":"joined""#), "{joined}");
    drop(socket);
    assert_eq!(
        ann.expect("participant_updated").await["participant"]["away"],
        true
    );
}

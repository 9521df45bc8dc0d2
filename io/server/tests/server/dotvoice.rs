//! The DotVoice door over real sockets: tokens, joining a mixed room, a call, and every way in which it ends.

use std::net::SocketAddr;

use crate::support::{
    Answer, Client, PATIENCE, SECRET, http, metric,
    served::{start_served, voice_offer},
    start, start_with_keys, token,
};
use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio::{net::TcpStream, time::timeout};
use tokio_tungstenite::{
    WebSocketStream, client_async,
    tungstenite::{Error, Message, client::IntoClientRequest},
};
use trefoil_auth::{Claims, Role, Secret};
use trefoil_server::{DoorName, Server};

const FORM: &str = "content-type: application/x-www-form-urlencoded\r\n";
const JSON: &str = "content-type: application/json; charset=utf-8\r\n";
/// Longer than any test.
const LONG: u32 = 600;

async fn ask_token(address: SocketAddr, headers: &str, body: &str) -> Answer {
    http(address, "POST", "/api/generateTestToken", headers, body).await
}

/// A test token as the Android client asks for it and finds it.
async fn test_token(address: SocketAddr, room: &str, user: &str) -> String {
    let body = format!("appkey=45&app_secret=dc5cabdd&room={room}&user_id={user}");
    let answer = ask_token(address, FORM, &body).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    answer.body.split('"').nth(3).unwrap().to_owned()
}

fn claims_of(token: &str) -> Value {
    let payload = token.split('.').nth(1).unwrap();
    serde_json::from_slice(&BASE64_URL_SAFE_NO_PAD.decode(payload).unwrap()).unwrap()
}

/// A WebSocket of a client.
struct Voice {
    socket: WebSocketStream<TcpStream>,
    connection: String,
}

impl Voice {
    async fn try_open(address: SocketAddr, token: &str) -> Result<Self, u16> {
        let stream = TcpStream::connect(address).await.unwrap();
        let request = format!("ws://{address}/dotvoice?token={token}")
            .into_client_request()
            .unwrap();
        match client_async(request, stream).await {
            Ok((socket, _)) => Ok(Self {
                socket,
                connection: String::new(),
            }),
            Err(Error::Http(answer)) => Err(answer.status().as_u16()),
            Err(other) => panic!("{other}"),
        }
    }

    /// Somebody who is let in, and what they were told.
    async fn join(address: SocketAddr, room: &str, user: &str) -> (Self, Value) {
        let token = test_token(address, room, user).await;
        let mut voice = Self::try_open(address, &token).await.unwrap();
        let data =
            json!({"app_key": "45", "room": room, "user_id": user, "token": token, "reconnect": false});
        voice
            .send(json!({"type": "join", "from": user, "data": data}))
            .await;
        voice.send(json!({"type": "keeplive", "from": user})).await;
        let joined = voice.next().await.unwrap();
        assert_eq!(joined["type"], "joined", "{joined}");
        voice.connection = joined["connectionId"].as_str().unwrap().to_owned();
        (voice, joined)
    }

    async fn send(&mut self, message: Value) {
        self.send_text(&message.to_string()).await;
    }

    async fn send_text(&mut self, text: &str) {
        // Who has been closed is told so by what comes.
        let _ = self.socket.send(Message::text(text)).await;
    }

    async fn configure(&mut self, data: Value, offer: Option<&str>) {
        let mut message =
            json!({"type": "configure", "from": "me", "connectionId": self.connection, "data": data});
        if let Some(sdp) = offer {
            message["jsep"] = json!({"type": "offer", "sdp": sdp});
        }
        self.send(message).await;
    }

    /// The next message, or the code with which it was closed.
    async fn next(&mut self) -> Result<Value, u16> {
        loop {
            match timeout(PATIENCE, self.socket.next())
                .await
                .expect("nothing more comes")
            {
                Some(Ok(Message::Text(text))) => return Ok(serde_json::from_str(&text).unwrap()),
                Some(Ok(Message::Close(Some(frame)))) => return Err(frame.code.into()),
                Some(Ok(Message::Close(None)) | Err(_)) | None => return Err(0),
                Some(Ok(_)) => {}
            }
        }
    }

    /// The code with which it is closed, past all messages.
    async fn closed(&mut self) -> u16 {
        loop {
            if let Err(code) = self.next().await {
                return code;
            }
        }
    }
}

async fn served() -> Server {
    start_served(LONG, |_| ()).await
}

/// Waits until so many are in rooms.
async fn until_inside(address: SocketAddr, people: u64) {
    while metric(address, "trefoil_participants").await != people {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn a_test_token_is_what_both_kinds_of_clients_read() {
    let server = served().await;
    let door = server
        .doors()
        .iter()
        .find(|sign| sign.door == "dotvoice")
        .unwrap();
    for at in [server.listening(), door.listening[0]] {
        let token = test_token(at, "lalala", "mx1234").await;
        let claims = claims_of(&token);
        assert_eq!(claims["wsUrl"], format!("ws://{at}/dotvoice"));
        for (name, value) in [("room", "lalala"), ("user_id", "mx1234"), ("user", "mx1234")] {
            assert_eq!(claims[name], value);
        }
        let body = json!({"appkey": "45", "app_secret": "x", "room": "lalala", "user": "mx1234"});
        let answer = ask_token(at, JSON, &body.to_string()).await.json();
        assert_eq!((&answer["s"], &answer["e"]), (&json!(10_000), &json!("")));
        assert_eq!(answer["d"]["token"].as_str().unwrap().split('.').count(), 3);
    }
    for (headers, body) in [
        (FORM, "room=lalala"),
        (FORM, "user_id=mx"),
        (FORM, "room=a&user_id=a+b"),
        (JSON, "{"),
        (JSON, "[]"),
    ] {
        let answer = ask_token(server.listening(), headers, body).await;
        assert_eq!(
            (answer.status, &answer.json()["s"]),
            (400, &json!(10_001)),
            "{body}"
        );
    }
}

#[tokio::test]
async fn outside_of_development_mode_test_tokens_are_off_and_then_need_a_key_and_its_secret() {
    let form = |key: &str, secret: &str| format!("appkey={key}&app_secret={secret}&room=lalala&user_id=mx");
    let secret = SECRET.replace(' ', "+");
    let dotvoice = || Some(vec![DoorName::Dotvoice]);
    let server = start_with_keys(|config| config.doors.enabled = dotvoice()).await;
    let answer = ask_token(server.listening(), FORM, &form("main", &secret)).await;
    assert_eq!(answer.status, 403, "{answer:?}");
    let server = start_with_keys(|config| {
        config.doors.enabled = dotvoice();
        config.doors.dotvoice.test_tokens = true;
    })
    .await;
    let at = server.listening();
    for (key, secret) in [("main", "wrong"), ("other", secret.as_str()), ("", "")] {
        let answer = ask_token(at, FORM, &form(key, secret)).await;
        assert_eq!(answer.status, 401, "{key}");
        assert!(answer.json().get("token").is_none());
    }
    // A key for one namespace opens rooms there.
    for (key, namespace) in [("main", "default"), ("pole", "pole")] {
        let token = ask_token(at, FORM, &form(key, &secret)).await.json()["token"]
            .as_str()
            .unwrap()
            .to_owned();
        let claims = claims_of(&token);
        assert_eq!(
            (&claims["ns"], &claims["app_key"]),
            (&json!(namespace), &json!(key))
        );
        assert!(Voice::try_open(at, &token).await.is_ok());
    }
}

#[tokio::test]
async fn a_room_is_mixed_if_it_is_made_for_them_and_everybody_is_an_ordinary_participant() {
    let server = start_served(LONG, |config| {
        config.rooms.topology = trefoil_server::TopologyConfig::P2p
    })
    .await;
    let at = server.listening();
    let (mut ann, joined) = Voice::join(at, "lalala", "mx1").await;
    assert_eq!(joined["data"]["peers"], json!([]));
    let ice = joined["data"]["iceServers"].as_array().unwrap().clone();
    assert_eq!(
        ice[0],
        json!({"url": "stun:127.0.0.1:3478", "username": "", "credential": ""})
    );
    assert!(ice[1]["username"].as_str().unwrap().contains(":mx1"), "{ice:?}");
    let (_bob, joined) = Voice::join(at, "lalala", "mx2").await;
    assert_eq!(joined["data"]["peers"], json!([{"id": "mx1", "published": true}]));
    let told = ann.next().await.unwrap();
    assert_eq!(
        (&told["type"], &told["from"]),
        (&json!("peer_connected"), &json!("mx2"))
    );
    assert_eq!(told["connectionId"], ann.connection);
    let own = Client::guest(at, "lalala", "Own").await;
    assert_eq!(own.joined["room"]["topology"], "mixed");
    assert_eq!(
        own.joined["participants"].as_array().unwrap().len(),
        3,
        "{}",
        own.joined
    );
    assert_eq!(ann.next().await.unwrap()["type"], "peer_connected");
    assert_eq!(metric(at, "trefoil_door_people{door=\"dotvoice\"}").await, 2);
}

#[tokio::test]
async fn an_offer_is_answered_with_candidates_inside_and_mute_is_the_rooms() {
    let server = served().await;
    let at = server.listening();
    let mut own = Client::guest(at, "lalala", "Own").await;
    let (mut ann, _) = Voice::join(at, "lalala", "mx1").await;
    own.expect("participant_joined").await;
    ann.configure(
        json!({"muted": false, "quality": 8, "volume": 80}),
        Some(&voice_offer()),
    )
    .await;
    let configured = ann.next().await.unwrap();
    assert_eq!(configured["type"], "configured", "{configured}");
    assert_eq!(
        configured["data"],
        json!({"muted": false, "quality": 8, "volume": 80})
    );
    assert_eq!(configured["jsep"]["type"], "answer");
    let sdp = configured["jsep"]["sdp"].as_str().unwrap();
    for part in [
        "a=candidate:",
        "a=ice-lite",
        "a=mid:audio",
        "a=sendrecv",
        "opus/48000",
    ] {
        assert!(sdp.contains(part), "{part} is missing: {sdp}");
    }
    let candidates = json!([{"sdpMLineIndex": 0, "sdpMid": "audio", "candidate": "candidate:1 1 udp 1 192.0.2.1 9 typ host"}]);
    ann.send(json!({"type": "candidates", "from": "mx1", "data": {"candidates": candidates}}))
        .await;
    ann.configure(json!({"muted": true}), None).await;
    let configured = ann.next().await.unwrap();
    assert_eq!(
        configured["data"],
        json!({"muted": true, "quality": 8, "volume": 80})
    );
    assert!(configured.get("jsep").is_none());
    assert_eq!(
        own.until("participant_updated").await["participant"]["muted"]["audio"],
        true
    );
}

#[tokio::test]
async fn a_description_that_is_none_ends_the_stay() {
    let server = served().await;
    let (mut ann, _) = Voice::join(server.listening(), "lalala", "mx1").await;
    ann.configure(json!({}), Some("v=0\r\n")).await;
    assert_eq!(ann.closed().await, 1000);
    until_inside(server.listening(), 0).await;
    assert_eq!(
        metric(
            server.listening(),
            "trefoil_refusals_total{code=\"unusable_sdp\"}"
        )
        .await,
        1
    );
}

#[tokio::test]
async fn a_call_that_never_connects_is_closed_so_that_the_client_comes_again() {
    let server = start_served(1, |_| ()).await;
    let (mut ann, _) = Voice::join(server.listening(), "lalala", "mx1").await;
    ann.configure(json!({}), Some(&voice_offer())).await;
    assert_eq!(ann.closed().await, 4000);
    until_inside(server.listening(), 0).await;
}

#[tokio::test]
async fn a_token_that_is_forged_expired_or_for_another_room_opens_nothing() {
    let server = start_with_keys(|config| config.doors.enabled = Some(vec![DoorName::Dotvoice])).await;
    let at = server.listening();
    let good = token(at, json!({"room": "lalala", "identity": "mx1"})).await;
    let claims = Claims {
        iss: "main".into(),
        sub: "mx1".into(),
        ns: "default".into(),
        room: "lalala".into(),
        name: None,
        role: Role::Speaker,
        permissions: None,
        hidden: false,
        exp: 1_000_000_000,
        nbf: None,
    };
    let expired = trefoil_auth::sign(&claims, &Secret::new(SECRET)).unwrap();
    let fresh = Claims {
        exp: u64::from(u32::MAX),
        ..claims
    };
    let forged = trefoil_auth::sign(&fresh, &Secret::new("another secret of thirty-two bytes!!")).unwrap();
    let (head, _) = good.rsplit_once('.').unwrap();
    for wrong in [
        expired,
        forged,
        format!("{head}."),
        format!("{head}.AAAA"),
        "x".repeat(9000),
        String::new(),
    ] {
        assert_eq!(Voice::try_open(at, &wrong).await.err(), Some(401), "{wrong:.40}");
    }
    for (query, join) in [
        (good.as_str(), json!({"room": "another", "token": good})),
        (good.as_str(), json!({"room": "../lalala"})),
    ] {
        let mut voice = Voice::try_open(at, query).await.unwrap();
        voice
            .send(json!({"type": "join", "from": "mx1", "data": join}))
            .await;
        let told = voice.next().await.unwrap();
        assert_eq!(
            (&told["type"], &told["data"]["code"]),
            (&json!("error"), &json!("forbidden"))
        );
        assert_eq!(voice.closed().await, 4003);
    }
}

#[tokio::test]
async fn without_a_media_server_and_in_a_room_of_each_to_each_they_are_told_why_they_cannot_come_in() {
    let refused = async |at: SocketAddr| {
        let token = test_token(at, "lalala", "mx1").await;
        let mut voice = Voice::try_open(at, &token).await.unwrap();
        voice
            .send(json!({"type": "join", "from": "mx1", "data": {"token": token}}))
            .await;
        let told = voice.next().await.unwrap();
        assert_eq!(told["data"]["code"], "unsupported_topology", "{told}");
        assert_eq!(voice.closed().await, 4003);
    };
    let alone = start(|_| ()).await;
    refused(alone.listening()).await;
    // The room is as usual for everybody else.
    let own = Client::guest(alone.listening(), "lalala", "Own").await;
    assert_eq!(own.joined["room"]["topology"], "p2p");
    let server = start_served(LONG, |config| {
        config.rooms.topology = trefoil_server::TopologyConfig::P2p
    })
    .await;
    let _own = Client::guest(server.listening(), "lalala", "Own").await;
    refused(server.listening()).await;
}

#[tokio::test]
async fn nonsense_and_what_comes_too_early_is_dropped_counted_and_then_ends_it() {
    let server = served().await;
    let at = server.listening();
    let token = test_token(at, "lalala", "mx1").await;
    let mut voice = Voice::try_open(at, &token).await.unwrap();
    for early in ["configure", "candidates", "leave", "dance"] {
        voice.send(json!({"type": early, "from": "mx1"})).await;
    }
    voice
        .send(json!({"type": "join", "from": "mx1", "data": {}}))
        .await;
    assert_eq!(voice.next().await.unwrap()["type"], "joined");
    assert_eq!(metric(at, "trefoil_refusals_total{code=\"join_first\"}").await, 4);
    for nonsense in ["", "null", "[", "\u{0}", "{\"type\":7}", "😀"] {
        voice.send_text(nonsense).await;
    }
    voice.send(json!({"type": "reoffer", "from": "mx1"})).await;
    voice.configure(json!({}), None).await;
    assert_eq!(voice.next().await.unwrap()["type"], "configured");
    assert_eq!(metric(at, "trefoil_refusals_total{code=\"malformed\"}").await, 6);
    for _ in 0..10 {
        voice.send_text(&"[".repeat(10_000)).await;
    }
    assert_eq!(voice.closed().await, 1008);
    until_inside(at, 0).await;
}

#[tokio::test]
async fn whoever_comes_back_takes_the_place_of_the_older() {
    let server = served().await;
    let at = server.listening();
    let (mut old, _) = Voice::join(at, "lalala", "mx1").await;
    let (mut new, joined) = Voice::join(at, "lalala", "mx1").await;
    assert_eq!(old.closed().await, 4001);
    assert_eq!(joined["data"]["peers"], json!([]));
    assert_ne!(old.connection, new.connection);
    until_inside(at, 1).await;
    new.send(json!({"type": "leave", "from": "mx1"})).await;
    assert_eq!(new.closed().await, 1000);
    until_inside(at, 0).await;
}

#[tokio::test]
async fn who_is_killed_or_silent_leaves_no_ghost() {
    let server = start_served(LONG, |config| config.doors.dotvoice.silent_seconds = 0.5).await;
    let at = server.listening();
    let (ann, _) = Voice::join(at, "lalala", "mx1").await;
    drop(ann);
    until_inside(at, 0).await;
    let (mut bob, _) = Voice::join(at, "lalala", "mx2").await;
    assert_eq!(bob.closed().await, 4000);
    until_inside(at, 0).await;
    // Who never joins has no seat, and no WebSocket for long.
    let server = start_served(LONG, |config| config.limits.join_seconds = 0.2).await;
    let token = test_token(server.listening(), "lalala", "mx1").await;
    let mut shy = Voice::try_open(server.listening(), &token).await.unwrap();
    assert_eq!(shy.closed().await, 1008);
}

//! People of different doors in one room whose media goes through the server: what each is told in its own words.

use std::net::SocketAddr;

use crate::support::{
    Client, admin,
    collider::{Collider, join, post, result},
    device::{Peer, door},
    eio::Line,
    get, metric,
    served::{start_served, voice_offer},
};
use serde_json::{Value, json};
use trefoil_auth::Secret;
use trefoil_server::{DoorName, KeyConfig, Server};

/// Longer than any test.
const LONG: u32 = 600;

async fn served() -> Server {
    start_served(LONG, |_| ()).await
}

fn said(text: &str) -> Value {
    serde_json::from_str(text).unwrap()
}

/// It is an offer of the media server: one sound and one picture both ways, with candidates.
fn is_offer(offer: &Value) {
    assert_eq!(offer["type"], "offer", "{offer}");
    let sdp = offer["sdp"].as_str().unwrap();
    for (part, count) in [
        ("m=audio", 1),
        ("m=video", 1),
        ("a=sendrecv", 2),
        ("a=ice-lite", 1),
    ] {
        assert_eq!(sdp.matches(part).count(), count, "{part}: {sdp}");
    }
    assert!(sdp.contains("a=candidate:"), "{sdp}");
}

fn is_answer(answer: &Value) {
    assert_eq!(answer["type"], "answer", "{answer}");
    assert!(
        answer["sdp"].as_str().unwrap().contains("a=candidate:"),
        "{answer}"
    );
}

/// A page of the codelab that has its camera, and has heard the media server's offer.
async fn called(address: SocketAddr, version: u8, room: &str) -> Line {
    let (mut page, id) = Line::connect(address, version).await;
    page.emit(json!(["create or join", room])).await;
    assert_eq!(page.event().await, json!(["joined", room, id]));
    assert_eq!(page.event().await, json!(["ready", room]));
    page.emit(json!(["message", "got user media"])).await;
    let offer = page.event().await;
    assert_eq!(offer[0], "message");
    is_offer(&offer[1]);
    page
}

/// A client of AppRTC that is called; its id and its WebSocket.
async fn invited(address: SocketAddr, room: &str) -> (String, Collider) {
    let params = join(address, room).await;
    assert_eq!(params["is_initiator"], "false", "{params}");
    is_offer(&said(params["messages"][0].as_str().unwrap()));
    assert_eq!(params["messages"].as_array().unwrap().len(), 1);
    let id = params["client_id"].as_str().unwrap().to_owned();
    let line = Collider::registered(address, room, &id).await;
    (id, line)
}

#[tokio::test]
async fn each_finds_one_other_who_calls_however_many_there_are_and_hears_of_nobody_else() {
    let server = served().await;
    let at = server.listening();
    let mut own = Client::guest(at, "three", "Own").await;
    let mut codelab = [called(at, 3, "three").await, called(at, 4, "three").await];
    let mut apprtc = [invited(at, "three").await, invited(at, "three").await];
    let mut device = Peer::open(door(&server), "/default/three?app").await;
    is_offer(&said(&device.next().await.unwrap()));
    let mut browser = Peer::open(door(&server), "/default/three?pc").await;
    browser
        .send(&json!({"type": "offer", "sdp": voice_offer()}).to_string())
        .await;
    is_answer(&said(&browser.next().await.unwrap()));
    for _ in 0..6 {
        own.until("participant_joined").await;
    }
    assert_eq!(metric(at, "trefoil_participants").await, 7);

    // Whatever they say of a call stays between them and the media server, and so does that somebody goes.
    let candidate = json!({"type": "candidate", "label": 0, "id": "0", "candidate": "candidate:1 1 udp 1 192.0.2.1 9 typ host"});
    codelab[0].emit(json!(["message", &candidate])).await;
    apprtc[0].1.say(&candidate.to_string()).await;
    let (gone, mut line) = invited(at, "three").await;
    post(at, &format!("/leave/three/{gone}"), "").await;
    line.say(r#"{"type":"bye"}"#).await;
    own.until("participant_left").await;
    // A message is for everybody who has a word for it.
    own.send(json!({"type": "message", "data": "hello"})).await;
    for page in &mut codelab {
        assert_eq!(page.event().await, json!(["message", "hello"]));
    }
    codelab[0].emit(json!(["message", {"text": "hi"}])).await;
    assert_eq!(codelab[1].event().await, json!(["message", {"text": "hi"}]));
    assert_eq!(own.until("message").await["data"], json!({"text": "hi"}));
    // Nothing of all that came to AppRTC's clients, so this is the next.
    let at_end = format!("/collider/three/{}", apprtc[1].0);
    crate::support::http(at, "DELETE", &at_end, "", "").await;
    assert!(apprtc[1].1.next().await.is_none());
    assert_eq!(get(at, "/r/three").await.status, 200);
}

#[tokio::test]
async fn a_client_of_apprtc_that_only_knows_collider_is_called_over_its_websocket() {
    let server = served().await;
    let mut line = Collider::registered(server.listening(), "three", "1").await;
    is_offer(&said(line.next().await.unwrap()["msg"].as_str().unwrap()));
}

#[tokio::test]
async fn a_connection_that_is_lost_makes_the_client_call_anew_or_come_again() {
    let server = start_served(1, |_| ()).await;
    let at = server.listening();
    // Nobody answers the media server's calls here, so it gives them up.
    let mut page = called(at, 4, "three").await;
    let words = [
        json!(["message", "bye"]),
        json!(["bye"]),
        json!(["created"]),
        json!(["join"]),
        json!(["ready"]),
        json!(["message", "got user media"]),
    ];
    for word in words {
        let heard = page.event().await;
        let heard = heard.as_array().unwrap();
        assert!(
            heard.starts_with(word.as_array().unwrap()),
            "{heard:?} for {word}"
        );
    }
    page.emit(json!(["message", {"type": "offer", "sdp": voice_offer()}]))
        .await;
    is_answer(&page.event().await[1]);

    let (id, mut line) = invited(at, "three").await;
    line.hears(r#"{"type":"bye"}"#).await;
    let offer = json!({"type": "offer", "sdp": voice_offer()}).to_string();
    assert_eq!(
        result(at, &format!("/message/three/{id}"), &offer).await,
        "SUCCESS"
    );
    is_answer(&said(line.next().await.unwrap()["msg"].as_str().unwrap()));

    let mut device = Peer::open(door(&server), "/default/three?app").await;
    is_offer(&said(&device.next().await.unwrap()));
    assert_eq!(device.next().await, Err(4000));
}

#[tokio::test]
async fn a_description_that_is_none_ends_the_stay_in_the_doors_own_words() {
    let server = served().await;
    let at = server.listening();
    let none = json!({"type": "answer", "sdp": "v=1"});
    let mut page = called(at, 4, "three").await;
    page.emit(json!(["message", &none])).await;
    // Socket.IO's own word for the end.
    while page.next().await != "41" {}
    let (_, mut line) = invited(at, "three").await;
    line.say(&none.to_string()).await;
    assert!(line.next().await.is_none());
    let mut device = Peer::open(door(&server), "/default/three?app").await;
    device.next().await.unwrap();
    device.send(&none.to_string()).await;
    assert_eq!(device.next().await, Err(4000));
    assert_eq!(
        metric(at, "trefoil_refusals_total{code=\"unusable_sdp\"}").await,
        3
    );
    while metric(at, "trefoil_participants").await != 0 {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn an_encrypted_room_and_a_full_one_are_refused_in_the_words_of_each_door() {
    let server = start_served(LONG, |config| {
        config.keys = vec![KeyConfig {
            key: "main".into(),
            secret: Secret::new(crate::support::SECRET),
            namespace: None,
        }];
        config.doors.guests = true;
        config.doors.enabled = Some(vec![DoorName::Socketio, DoorName::Apprtc, DoorName::Devices]);
    })
    .await;
    let at = server.listening();
    for (settings, why) in [
        (json!({"encrypted": true}), "encrypted end to end"),
        (json!({"encrypted": false, "member_limit": 3}), ""),
    ] {
        let path = "/v1/namespaces/default/rooms/three";
        let made = admin(at, "main", "PUT", path, &settings.to_string()).await;
        assert!(made.status < 300, "{made:?}");
        let mut inside = Vec::new();
        if why.is_empty() {
            for _ in 0..3 {
                inside.push(called(at, 4, "three").await);
            }
        }
        let (mut page, _) = Line::connect(at, 4).await;
        page.emit(json!(["create or join", "three"])).await;
        // The first line of the log says what was asked for, the second what became of it.
        page.next().await;
        let log = page.next().await;
        assert!(
            log.contains(if why.is_empty() {
                "now has 3 client(s)"
            } else {
                why
            }),
            "{log}"
        );
        assert_eq!(page.event().await, json!(["full", "three"]));
        let answer = post(at, "/join/three", "").await.json();
        if why.is_empty() {
            assert_eq!(answer["result"], "FULL");
        } else {
            assert_eq!(answer["result"], "ERROR");
            assert!(
                answer["params"]["error_messages"][0]
                    .as_str()
                    .unwrap()
                    .contains(why)
            );
        }
        let refused = Peer::try_open(door(&server), "/default/three?app").await.err();
        assert_eq!(refused, Some(502));
    }
}

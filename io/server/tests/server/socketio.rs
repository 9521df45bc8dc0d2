//! The Socket.IO door over real sockets: the codelab's events, both versions, both transports.

use crate::support::{
    Client,
    eio::{Line, Polling, framed},
    get, metric, start, start_with_keys, token,
};
use futures_util::SinkExt;
use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::Message;

#[tokio::test]
async fn a_client_of_version_3_polls_and_creates_a_room() {
    let server = start(|_| ()).await;
    let (session, opened) = Polling::open(server.listening(), 3, "").await;
    assert_eq!(opened.header("content-type"), Some("text/plain; charset=UTF-8"));
    assert_eq!(opened.header("access-control-allow-origin"), Some("*"));
    let (length, rest) = opened.body.split_once(':').unwrap();
    let (open, more) = rest.split_at(length.parse().unwrap());
    let open: Value = serde_json::from_str(open.strip_prefix('0').unwrap()).unwrap();
    assert_eq!(
        (&open["upgrades"], &open["pingInterval"], &open["pingTimeout"]),
        (&json!(["websocket"]), &json!(25000), &json!(20000))
    );
    // The connection to `/` comes unasked: with the open packet, or with the first poll.
    if !more.contains("2:40") {
        session.until("2:40").await;
    }
    let posted = session.post("26:42[\"create or join\",\"abc\"]").await;
    assert_eq!((posted.status, posted.body.as_str()), (200, "ok"));
    let heard = session.until("created").await;
    let log = r#"80:42["log",["Message from server:","Received request to create or join room abc"]]"#;
    assert!(heard.starts_with(log), "{heard}");
    assert!(
        heard.contains(r#"65:42["log",["Message from server:","Room abc now has 0 client(s)"]]"#),
        "{heard}"
    );
    let created = framed(&format!(r#"42["created","abc","{}"]"#, session.sid()));
    assert!(heard.ends_with(&created), "{heard}");
}

#[tokio::test]
async fn lengths_of_version_3_count_utf_16_and_a_post_may_hold_several_packets() {
    let server = start(|_| ()).await;
    let (mut other, _) = Line::connect(server.listening(), 4).await;
    other.emit(json!(["create or join", "emoji"])).await;
    assert_eq!(other.event().await[0], "created");
    let (session, _) = Polling::open(server.listening(), 3, "").await;
    let join = framed(r#"42["create or join","emoji"]"#);
    let said = framed(r#"42["message","héllo 😀"]"#);
    assert!(said.starts_with("24:"), "{said}");
    session.post(&format!("{join}{said}{said}")).await;
    assert_eq!(other.event().await, json!(["join", "emoji"]));
    assert_eq!(other.event().await, json!(["ready", "emoji"]));
    assert_eq!(other.event().await, json!(["message", "héllo 😀"]));
    assert_eq!(other.event().await, json!(["message", "héllo 😀"]));
    other.emit(json!(["message", "😀😀"])).await;
    let heard = session.until("😀😀").await;
    assert!(heard.ends_with("20:42[\"message\",\"😀😀\"]"), "{heard}");
}

#[tokio::test]
async fn the_first_two_are_ready_once_and_the_third_hears_full() {
    for versions in [[3, 4, 3], [4, 3, 4]] {
        let server = start(|_| ()).await;
        let [one, two, three] = versions;
        let (mut ann, ann_id) = Line::connect(server.listening(), one).await;
        let (mut bob, bob_id) = Line::connect(server.listening(), two).await;
        let (mut cem, _) = Line::connect(server.listening(), three).await;
        ann.emit(json!(["create or join", "foo"])).await;
        assert_eq!(ann.event().await, json!(["created", "foo", ann_id]));
        bob.emit(json!(["create or join", "foo"])).await;
        assert_eq!(bob.event().await, json!(["joined", "foo", bob_id]));
        assert_eq!(bob.event().await, json!(["ready", "foo"]));
        assert_eq!(ann.event().await, json!(["join", "foo"]));
        assert_eq!(ann.event().await, json!(["ready", "foo"]));
        cem.emit(json!(["create or join", "foo"])).await;
        assert_eq!(cem.event().await, json!(["full", "foo"]));
        // What follows shows that nobody was told anything twice.
        ann.emit(json!(["message", {"type": "offer", "sdp": "v=0"}]))
            .await;
        assert_eq!(
            bob.event().await,
            json!(["message", {"type": "offer", "sdp": "v=0"}])
        );
        bob.emit(json!(["message", "got user media"])).await;
        assert_eq!(ann.event().await, json!(["message", "got user media"]));
        assert_eq!(
            metric(server.listening(), "trefoil_door_people{door=\"socketio\"}").await,
            2
        );
    }
}

#[tokio::test]
async fn what_is_said_stays_in_the_room() {
    let server = start(|_| ()).await;
    let (mut ann, _) = Line::connect(server.listening(), 4).await;
    let (mut stranger, _) = Line::connect(server.listening(), 4).await;
    let (mut lost, _) = Line::connect(server.listening(), 4).await;
    ann.emit(json!(["create or join", "one"])).await;
    stranger.emit(json!(["create or join", "two"])).await;
    assert_eq!(ann.event().await[0], "created");
    assert_eq!(stranger.event().await[0], "created");
    // Whoever has no room reaches nobody.
    lost.emit(json!(["message", "hello all"])).await;
    ann.emit(json!(["message", "hello"])).await;
    ann.0.close(None).await.unwrap();
    let (mut bob, _) = Line::connect(server.listening(), 4).await;
    bob.emit(json!(["create or join", "two"])).await;
    assert_eq!(stranger.event().await[0], "join");
}

#[tokio::test]
async fn whoever_is_left_behind_hears_it_and_can_be_joined_again() {
    let server = start(|_| ()).await;
    let (mut ann, _) = Line::connect(server.listening(), 4).await;
    let (mut bob, _) = Line::connect(server.listening(), 3).await;
    ann.emit(json!(["create or join", "again"])).await;
    ann.event().await;
    bob.emit(json!(["create or join", "again"])).await;
    assert_eq!(bob.event().await[0], "joined");
    assert_eq!(bob.event().await[0], "ready");
    drop(ann);
    assert_eq!(bob.event().await, json!(["message", "bye"]));
    assert_eq!(bob.event().await, json!(["bye"]));
    assert_eq!(bob.event().await[0], "created");
    let (mut cem, _) = Line::connect(server.listening(), 4).await;
    cem.emit(json!(["create or join", "again"])).await;
    assert_eq!(cem.event().await[0], "joined");
    assert_eq!(bob.event().await[0], "join");
    assert_eq!(bob.event().await[0], "ready");
}

#[tokio::test]
async fn acknowledgements_and_bytes_pass() {
    let server = start(|_| ()).await;
    let (mut ann, _) = Line::connect(server.listening(), 4).await;
    let (mut bob, _) = Line::connect(server.listening(), 4).await;
    ann.send(r#"427["create or join","bytes"]"#).await;
    loop {
        let packet = ann.next().await;
        if packet.starts_with("437") {
            assert_eq!(packet, r#"437["created"]"#);
            break;
        }
    }
    bob.emit(json!(["create or join", "bytes"])).await;
    assert_eq!(bob.event().await[0], "joined");
    assert_eq!(bob.event().await[0], "ready");
    ann.send(r#"451-["photo",{"a":1,"b":{"_placeholder":true,"num":0}},"x"]"#)
        .await;
    ann.0.send_bytes(&[1, 2, 255]).await;
    assert_eq!(
        bob.next().await,
        r#"451-["photo",{"a":1,"b":{"_placeholder":true,"num":0}},"x"]"#
    );
    assert_eq!(bob.next().await, "[1, 2, 255]");
}

#[tokio::test]
async fn bytes_reach_a_client_of_version_3_that_polls() {
    let server = start(|_| ()).await;
    for more in ["", "&b64=1"] {
        let room = format!("old{}", more.len());
        let (session, _) = Polling::open(server.listening(), 3, more).await;
        session
            .post(&framed(&format!("42[\"create or join\",\"{room}\"]")))
            .await;
        session.until("created").await;
        let (mut bob, _) = Line::connect(server.listening(), 4).await;
        bob.emit(json!(["create or join", room])).await;
        assert_eq!(bob.event().await[0], "joined");
        bob.send(r#"451-["photo",{"_placeholder":true,"num":0}]"#).await;
        bob.0.send_bytes(&[9]).await;
        let heard = session.until("b4").await;
        assert!(heard.ends_with("6:b4CQ=="), "{heard}");
        let photo = framed(r#"451-["photo",{"_placeholder":true,"num":0}]"#);
        session.post(&format!("{photo}{}", framed("b4Bw=="))).await;
        assert_eq!(bob.event().await[0], "ready");
        assert!(bob.next().await.starts_with("451-"));
        assert_eq!(bob.next().await, "[7]");
    }
}

trait SendBytes {
    async fn send_bytes(&mut self, bytes: &[u8]);
}

impl SendBytes for tokio_tungstenite::WebSocketStream<tokio::net::TcpStream> {
    async fn send_bytes(&mut self, bytes: &[u8]) {
        self.send(Message::binary(bytes.to_vec())).await.unwrap();
    }
}

#[tokio::test]
async fn a_namespace_has_rooms_of_its_own_and_an_unknown_one_is_refused() {
    let server = start(|config| config.doors.socketio.namespaces = vec!["/school".into()]).await;
    for version in [3, 4] {
        let (mut line, _) = Line::connect(server.listening(), version).await;
        line.send("40/nope,").await;
        assert_eq!(line.next().await, r#"44/nope,{"message":"Invalid namespace"}"#);
        line.send("40/school,").await;
        assert!(line.next().await.starts_with("40/school"));
        line.send(r#"42/school,["create or join","abc"]"#).await;
        loop {
            let packet = line.next().await;
            if packet.contains("created") || packet.contains("joined") {
                break;
            }
        }
    }
    let rooms = metric(server.listening(), "trefoil_rooms").await;
    assert_eq!(rooms, 1, "both were in the room of one namespace");
}

#[tokio::test]
async fn a_codelab_page_and_our_own_client_signal_each_other() {
    let server = start(|_| ()).await;
    let mut ann = Client::guest(server.listening(), "mixed", "Ann").await;
    let (mut bob, _) = Line::connect_with(server.listening(), 3, "&name=Bob").await;
    bob.emit(json!(["create or join", "mixed"])).await;
    assert_eq!(bob.event().await[0], "joined");
    assert_eq!(bob.event().await[0], "ready");
    let told = ann.expect("participant_joined").await;
    assert_eq!(told["participant"]["name"], "Bob");
    let to = told["participant"]["id"].clone();
    let offer = json!({"connection": "1-1", "description": {"type": "offer", "sdp": "v=0"}});
    ann.send(json!({"type": "signal", "to": to, "data": offer})).await;
    bob.emit(json!(["message", "got user media"])).await;
    assert_eq!(
        bob.event().await,
        json!(["message", {"type": "offer", "sdp": "v=0"}])
    );
    bob.emit(json!(["message", {"type": "answer", "sdp": "v=1"}]))
        .await;
    let answer = ann.expect("signal").await;
    assert_eq!(
        answer["data"],
        json!({"description": {"type": "answer", "sdp": "v=1"}, "connection": "1-1"})
    );
    // The room is one for two, for our own clients as well.
    assert_eq!(
        Client::refused(server.listening(), json!({"room": "mixed"})).await,
        "room_full"
    );
    bob.emit(json!(["bye", "mixed"])).await;
    assert_eq!(ann.expect("participant_left").await["reason"], "left");
}

#[tokio::test]
async fn with_keys_a_token_opens_the_room_and_nobody_comes_without_one() {
    let enabled = Some(vec![trefoil_server::DoorName::Socketio]);
    let server = start_with_keys(|config| config.doors.enabled = enabled).await;
    let (mut line, _) = Line::connect(server.listening(), 4).await;
    line.emit(json!(["create or join", "closed"])).await;
    assert_eq!(line.event().await, json!(["full", "closed"]));
    let token = token(server.listening(), json!({"room": "closed", "identity": "ann"})).await;
    let (mut line, _) = Line::connect_with(server.listening(), 4, &format!("&token={token}")).await;
    line.emit(json!(["create or join", "closed"])).await;
    assert_eq!(line.event().await[0], "created");
    line.emit(json!(["create or join", "elsewhere"])).await;
    assert_eq!(line.event().await, json!(["full", "elsewhere"]));
}

#[tokio::test]
async fn outside_of_development_a_door_is_closed_unless_it_is_named() {
    let server = start_with_keys(|_| ()).await;
    let answer = get(server.listening(), "/socket.io/?EIO=4&transport=polling").await;
    assert_eq!(answer.status, 404);
    assert!(server.doors().is_empty());
}

#[tokio::test]
async fn the_client_library_is_served() {
    let server = start(|_| ()).await;
    let answer = get(server.listening(), "/socket.io/socket.io.js").await;
    assert_eq!(answer.status, 200);
    assert!(answer.header("content-type").unwrap().contains("javascript") && answer.body.contains("connect"));
}

//! The AppRTC door over real sockets: the room server, Collider, and both with people of other doors.

use std::net::SocketAddr;

use crate::support::{
    Client,
    collider::{Collider, join, post, result},
    eio::Line,
    get, http, metric, start, start_with_keys, token,
};
use serde_json::json;
use tokio_tungstenite::tungstenite::protocol::{CloseFrame, frame::coding::CloseCode};
use trefoil_server::Server;

const OFFER: &str = r#"{"type":"offer","sdp":"v=0\r\n"}"#;
const ANSWER: &str = r#"{"type":"answer","sdp":"v=1\r\n"}"#;

async fn quick() -> Server {
    start(|config| config.doors.apprtc.absent_seconds = 0.3).await
}

/// Waits until nobody is in any room.
async fn until_empty(address: SocketAddr) {
    until_inside(address, 0).await;
}

/// Waits until so many are in rooms.
async fn until_inside(address: SocketAddr, people: u64) {
    while metric(address, "trefoil_participants").await != people {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn a_call_goes_as_the_web_client_makes_it() {
    let server = start(|_| ()).await;
    let at = server.listening();
    let ann = join(at, "testroom1?hd=true&t=1").await;
    assert_eq!(
        (&ann["is_initiator"], &ann["messages"]),
        (&json!("true"), &json!([]))
    );
    assert_eq!(ann["wss_url"], format!("ws://{at}/collider/ws"));
    assert_eq!(ann["room_link"], format!("http://{at}/r/testroom1?hd=true&t=1"));
    let ann_id = ann["client_id"].as_str().unwrap();
    assert!(ann_id.len() == 8 && ann_id.bytes().all(|byte| byte.is_ascii_digit()));
    let mut ann_line = Collider::registered(at, "testroom1", ann_id).await;
    let ann_says = format!("/message/testroom1/{ann_id}");
    assert_eq!(result(at, &ann_says, OFFER).await, "SUCCESS");

    let bob = join(at, "testroom1").await;
    assert_eq!(
        (&bob["is_initiator"], &bob["messages"]),
        (&json!("false"), &json!([OFFER]))
    );
    let bob_id = bob["client_id"].as_str().unwrap();
    assert_eq!(
        post(at, "/join/testroom1", "").await.json(),
        json!({"result": "FULL", "params": {"messages": []}})
    );
    let mut bob_line = Collider::registered(at, "testroom1", bob_id).await;
    bob_line.say(ANSWER).await;
    ann_line.hears(ANSWER).await;
    let candidate = r#"{"type":"candidate","label":0,"id":"0","candidate":"c"}"#;
    assert_eq!(result(at, &ann_says, candidate).await, "SUCCESS");
    bob_line.hears(candidate).await;

    // Ann hangs up as the client does; Bob makes the offer for whoever comes next.
    post(at, &format!("/leave/testroom1/{ann_id}"), "").await;
    let bye = r#"{"type":"bye"}"#;
    ann_line.say(bye).await;
    ann_line.0.close(None).await.unwrap();
    // Or by POST, where it finds its WebSocket closed; she must not take a seat for that.
    let path = format!("/collider/testroom1/{ann_id}");
    assert_eq!(http(at, "POST", &path, "", bye).await.body, "OK\n");
    assert_eq!(
        http(at, "DELETE", &format!("/collider/testroom1/{ann_id}"), "", "")
            .await
            .body,
        "OK\n"
    );
    bob_line.hears(bye).await;
    assert_eq!(
        result(at, &format!("/message/testroom1/{bob_id}"), OFFER).await,
        "SUCCESS"
    );
    let cem = join(at, "testroom1").await;
    assert_eq!(
        (&cem["is_initiator"], &cem["messages"]),
        (&json!("false"), &json!([OFFER]))
    );
    let mut cem_line = Collider::registered(at, "testroom1", cem["client_id"].as_str().unwrap()).await;
    cem_line.say(ANSWER).await;
    // The goodbye was heard once.
    bob_line.hears(ANSWER).await;
}

#[tokio::test]
async fn unknown_rooms_clients_and_names_are_told_by_their_codes() {
    let server = start(|_| ()).await;
    let at = server.listening();
    assert_eq!(result(at, "/message/nowhere/1", OFFER).await, "UNKNOWN_ROOM");
    join(at, "somewhere").await;
    assert_eq!(result(at, "/message/somewhere/1", OFFER).await, "UNKNOWN_CLIENT");
    assert_eq!(result(at, "/join/a%20b", "").await, "INVALID_REQUEST");
    assert_eq!(
        result(at, "/a/", r#"{"type":"event","event":{}}"#).await,
        "SUCCESS"
    );
    assert_eq!(result(at, "/a/", "nonsense").await, "INVALID_REQUEST");
    assert_eq!(post(at, "/leave/nowhere/1", "").await.body, "");
}

#[tokio::test]
async fn ice_servers_come_by_get_and_post_with_credentials_that_expire() {
    let server = start(|_| ()).await;
    for method in ["GET", "POST"] {
        let answer = http(server.listening(), method, "/v1alpha/iceconfig?key=", "", "").await;
        let servers = answer.json()["iceServers"].clone();
        assert_eq!(servers[0]["urls"], json!(["stun:127.0.0.1:3478"]));
        assert_eq!(servers[1]["urls"], json!(["turn:127.0.0.1:3478?transport=udp"]));
        assert!(servers[1]["username"].as_str().unwrap().contains(":guest-"));
        assert!(servers[1]["credential"].is_string());
    }
    let params = get(server.listening(), "/params").await.json();
    assert_eq!(
        params["ice_server_url"],
        format!("http://{}/v1alpha/iceconfig?key=", server.listening())
    );
    assert!(params.get("room_id").is_none());
}

#[tokio::test]
async fn a_seat_is_free_soon_after_its_websocket_is_gone() {
    let server = quick().await;
    let at = server.listening();
    let ann = join(at, "ghosts").await;
    let id = ann["client_id"].as_str().unwrap().to_owned();
    let line = Collider::registered(at, "ghosts", &id).await;
    drop(line);
    until_empty(at).await;
    // Who joins and never registers is no ghost either.
    join(at, "ghosts").await;
    until_empty(at).await;
    assert_eq!(
        result(at, &format!("/message/ghosts/{id}"), OFFER).await,
        "UNKNOWN_ROOM"
    );
}

#[tokio::test]
async fn a_closed_tab_frees_its_seat_at_once_and_the_next_one_is_offered_a_call() {
    // Nobody is away for long enough to lose the seat otherwise.
    let server = start(|config| config.doors.apprtc.absent_seconds = 1e5).await;
    let at = server.listening();
    let ann = join(at, "tabs").await;
    let ann_says = format!("/message/tabs/{}", ann["client_id"].as_str().unwrap());
    let mut ann_line = Collider::registered(at, "tabs", ann["client_id"].as_str().unwrap()).await;
    result(at, &ann_says, OFFER).await;
    let going = || CloseFrame {
        code: CloseCode::Away,
        reason: "".into(),
    };
    let bye = r#"{"type":"bye"}"#;
    for says_goodbye in [false, true] {
        let bob = join(at, "tabs").await;
        assert_eq!(bob["messages"], json!([OFFER]), "{says_goodbye}");
        let mut bob_line = Collider::registered(at, "tabs", bob["client_id"].as_str().unwrap()).await;
        bob_line.say(ANSWER).await;
        ann_line.hears(ANSWER).await;
        if says_goodbye {
            bob_line.say(bye).await;
        } else {
            bob_line.0.close(Some(going())).await.unwrap();
        }
        ann_line.hears(bye).await;
        // She offers a call to whoever comes next, while Bob's seat may not be free yet.
        result(at, &ann_says, OFFER).await;
        if says_goodbye {
            bob_line.0.close(Some(going())).await.unwrap();
        }
        until_inside(at, 1).await;
    }
    assert_eq!(join(at, "tabs").await["messages"], json!([OFFER]));
}

#[tokio::test]
async fn a_client_that_wants_to_hear_itself_has_the_room_for_itself_and_its_echo() {
    let server = start(|_| ()).await;
    let at = server.listening();
    let ann = join(at, "loop?debug=loopback").await;
    assert_eq!(
        (&ann["is_loopback"], &ann["is_initiator"]),
        (&json!("true"), &json!("true"))
    );
    assert_eq!(
        ann["include_loopback_js"],
        r#"<script src="/js/loopback.js"></script>"#
    );
    let full = json!({"result": "FULL", "params": {"messages": []}});
    assert_eq!(post(at, "/join/loop", "").await.json(), full);
    assert_eq!(post(at, "/join/loop?debug=loopback", "").await.json(), full);
    let id = ann["client_id"].as_str().unwrap();
    assert_eq!(result(at, &format!("/message/loop/{id}"), OFFER).await, "SUCCESS");
    let mut line = Collider::registered(at, "loop", id).await;
    // What the web client's loopback.js does: it hears the offer, and says it again as an answer.
    let mut echo = Collider::registered(at, "loop", "loopback_client_id").await;
    echo.hears(OFFER).await;
    echo.say(ANSWER).await;
    line.hears(ANSWER).await;
    assert_eq!(post(at, "/join/loop", "").await.json(), full);
    post(at, &format!("/leave/loop/{id}"), "").await;
    drop((line, echo));
}

#[tokio::test]
async fn who_comes_back_in_time_keeps_the_seat_and_what_was_said_meanwhile() {
    let server = start(|_| ()).await;
    let at = server.listening();
    let ann = Collider::registered(at, "abc", "123").await;
    let mut bob = Collider::registered(at, "abc", "456").await;
    drop(ann);
    bob.say("one").await;
    // The old WebSocket may not be gone yet: then the id is taken, and the client tries again.
    loop {
        let mut again = Collider::registered(at, "abc", "123").await;
        let told = again.next().await.unwrap();
        if told["error"] == "" {
            assert_eq!(told["msg"], "one");
            break;
        }
        assert_eq!(told["error"], "Duplicated registration");
    }
}

#[tokio::test]
async fn collider_forwards_and_keeps_for_later() {
    let server = start(|_| ()).await;
    let at = server.listening();
    let mut one = Collider::registered(at, "abc", "123").await;
    let mut two = Collider::registered(at, "abc", "456").await;
    one.say("hello <&>").await;
    two.hears("hello <&>").await;
    // Over HTTP, by somebody who has no WebSocket yet, to somebody who is not there yet.
    let posted = http(at, "POST", "/collider/xyz/1", "", "hello!").await;
    assert_eq!(
        (posted.body.as_str(), posted.header("access-control-allow-origin")),
        ("OK\n", Some("*"))
    );
    Collider::registered(at, "xyz", "2").await.hears("hello!").await;
    let full = http(at, "POST", "/collider/abc/789", "", "hello!").await;
    assert_eq!(
        (full.status, full.body.as_str()),
        (500, "Failed to send the message: Max room capacity reached\n")
    );
    assert_eq!(
        http(at, "POST", "/collider/abc/123", "", "").await.body,
        "Empty request body\n"
    );
    assert_eq!(http(at, "POST", "/collider/abc", "", "x").await.status, 500);
    assert_eq!(http(at, "PUT", "/collider/abc/123", "", "").await.status, 200);
    assert!(
        get(at, "/collider/status").await.json()["openws"]
            .as_u64()
            .unwrap()
            >= 2
    );
}

#[tokio::test]
async fn collider_tells_each_fault_and_closes() {
    let server = start(|_| ()).await;
    let at = server.listening();
    let mut twice = Collider::registered(at, "abc", "123").await;
    twice.register("abc", "123").await;
    twice.fails("Duplicated register request").await;
    let _one = Collider::registered(at, "full", "1").await;
    let mut two = Collider::registered(at, "full", "2").await;
    two.say("x").await;
    Collider::registered(at, "full", "3")
        .await
        .fails("Max room capacity reached")
        .await;
    Collider::registered(at, "full", "2")
        .await
        .fails("Duplicated registration")
        .await;
    for (text, words) in [
        (
            r#"{"cmd":"register","roomid":"abc"}"#,
            "Invalid register request: missing",
        ),
        (r#"{"cmd":"send","msg":"x"}"#, "Client not registered"),
        ("nonsense", "websocket.JSON.Receive error: "),
        ("[1]", "websocket.JSON.Receive error: "),
        (&"[".repeat(20_000), "websocket.JSON.Receive error: "),
    ] {
        let mut line = Collider::open(at).await;
        line.send(text).await;
        line.fails(words).await;
    }
    let mut line = Collider::registered(at, "calm", "1").await;
    line.send(r#"{"cmd":"dance"}"#).await;
    assert_eq!(
        line.next().await.unwrap()["error"],
        "Invalid message: unexpected 'cmd'"
    );
    line.send(r#"{"cmd":"send"}"#).await;
    line.fails("Invalid send request: missing 'msg'").await;
}

#[tokio::test]
async fn limits_hold_for_size_queue_and_rate() {
    let server = start(|config| {
        config.limits.message_bytes = 2048;
        config.doors.apprtc.waiting_messages = 3;
    })
    .await;
    let at = server.listening();
    let ann = join(at, "limits").await;
    let says = format!("/message/limits/{}", ann["client_id"].as_str().unwrap());
    assert_eq!(result(at, &says, &"x".repeat(3000)).await, "INVALID_REQUEST");
    for _ in 0..3 {
        assert_eq!(result(at, &says, OFFER).await, "SUCCESS");
    }
    assert_eq!(result(at, &says, OFFER).await, "ERROR");
    let mut line = Collider::open(at).await;
    line.send(&"x".repeat(3000)).await;
    assert!(line.next().await.is_none());
}

#[tokio::test]
async fn a_codelab_page_and_an_apprtc_client_signal_each_other_whoever_comes_first() {
    let server = start(|_| ()).await;
    let at = server.listening();
    let ann = join(at, "both1").await;
    let says = format!("/message/both1/{}", ann["client_id"].as_str().unwrap());
    result(at, &says, OFFER).await;
    let mut ann_line = Collider::registered(at, "both1", ann["client_id"].as_str().unwrap()).await;
    let (mut bob, _) = Line::connect(at, 3).await;
    bob.emit(json!(["create or join", "both1"])).await;
    assert_eq!(bob.event().await[0], "joined");
    assert_eq!(bob.event().await[0], "ready");
    bob.emit(json!(["message", "got user media"])).await;
    assert_eq!(
        bob.event().await,
        json!(["message", {"type": "offer", "sdp": "v=0\r\n"}])
    );
    bob.emit(json!(["message", {"type": "answer", "sdp": "v=1"}]))
        .await;
    ann_line.hears(r#"{"type":"answer","sdp":"v=1"}"#).await;
    bob.0.close(None).await.unwrap();
    ann_line.hears(r#"{"type":"bye"}"#).await;

    let (mut cem, _) = Line::connect(at, 4).await;
    cem.emit(json!(["create or join", "both2"])).await;
    assert_eq!(cem.event().await[0], "created");
    let calls = async {
        assert_eq!(cem.event().await[0], "join");
        assert_eq!(cem.event().await[0], "ready");
        assert_eq!(cem.event().await, json!(["message", "got user media"]));
        cem.emit(json!(["message", {"type": "offer", "sdp": "v=2"}]))
            .await;
    };
    let (dan, ()) = tokio::join!(join(at, "both2"), calls);
    assert_eq!(dan["is_initiator"], "false");
    // Its client would drop an offer that came before it is ready: it is in the answer, and the rest waits for its own.
    assert_eq!(dan["messages"], json!([r#"{"type":"offer","sdp":"v=2"}"#]));
    let candidate = json!({"type": "candidate", "label": 0, "id": "0", "candidate": "c"});
    cem.emit(json!(["message", &candidate])).await;
    let mut dan_line = Collider::registered(at, "both2", dan["client_id"].as_str().unwrap()).await;
    dan_line.say(ANSWER).await;
    assert_eq!(cem.event().await[1]["type"], "answer");
    dan_line.hears(&candidate.to_string()).await;
}

#[tokio::test]
async fn our_own_client_is_called_by_an_apprtc_client_that_was_there_first() {
    let server = start(|_| ()).await;
    let at = server.listening();
    let bob = join(at, "own").await;
    let id = bob["client_id"].as_str().unwrap();
    result(at, &format!("/message/own/{id}"), OFFER).await;
    let mut bob_line = Collider::registered(at, "own", id).await;
    let mut ann = Client::guest(at, "own", "Ann").await;
    let offer = ann.expect("signal").await;
    assert_eq!(offer["data"]["description"]["type"], "offer");
    let data = json!({"connection": "", "description": {"type": "answer", "sdp": "v=1"}});
    ann.send(json!({"type": "signal", "to": offer["from"], "data": data}))
        .await;
    bob_line.hears(r#"{"type":"answer","sdp":"v=1"}"#).await;
}

#[tokio::test]
async fn with_keys_a_token_in_the_query_opens_the_room() {
    let enabled = Some(vec![trefoil_server::DoorName::Apprtc]);
    let server = start_with_keys(|config| {
        config.doors.enabled = enabled;
        config.doors.apprtc.listen = Some(Vec::new());
    })
    .await;
    let at = server.listening();
    assert_eq!(result(at, "/join/closed", "").await, "ERROR");
    assert_eq!(
        get(at, "/v1alpha/iceconfig?key=").await.json()["iceServers"],
        json!([])
    );
    let token = token(at, json!({"room": "closed", "identity": "ann"})).await;
    let ann = join(at, &format!("closed?token={token}")).await;
    assert_eq!(ann["is_initiator"], "true");
    let ice = ann["ice_server_url"].as_str().unwrap();
    let path = ice.split_once(&at.to_string()).unwrap().1;
    assert_eq!(
        get(at, path).await.json()["iceServers"].as_array().unwrap().len(),
        2
    );
}

#[tokio::test]
async fn the_door_alone_serves_the_web_clients_pages_and_the_main_port_keeps_its_own() {
    let folder = std::env::temp_dir().join(format!("trefoil-apprtc-{}", std::process::id()));
    std::fs::create_dir_all(folder.join("html")).unwrap();
    std::fs::create_dir_all(folder.join("js")).unwrap();
    let page = "{% if room_id %}in {{ room_id }} {{ media_constraints | safe }}{% else %}none{% endif %}";
    std::fs::write(folder.join("html/index_template.html"), page).unwrap();
    std::fs::write(folder.join("html/full_template.html"), "full").unwrap();
    std::fs::write(folder.join("js/a.js"), "1").unwrap();
    let files = Some(folder.clone());
    let server = start(|config| config.doors.apprtc.files = files).await;
    let door = server.doors().iter().find(|sign| sign.door == "apprtc").unwrap();
    let at = door.listening[0];
    assert_eq!(get(at, "/").await.body, "none");
    assert_eq!(
        get(at, "/r/testroom1?video=false").await.body,
        r#"in testroom1 {"audio":true,"video":false}"#
    );
    assert_eq!(get(at, "/js/a.js").await.body, "1");
    assert_eq!(get(at, "/js/../html/full_template.html").await.status, 404);
    assert!(
        get(server.listening(), "/r/testroom1")
            .await
            .body
            .contains("<html")
    );
    join(at, "testroom1").await;
    join(server.listening(), "testroom1").await;
    assert_eq!(get(at, "/r/testroom1").await.body, "full");
    std::fs::remove_dir_all(folder).unwrap();
}

#[tokio::test]
async fn apprtc_mobile_may_come_from_its_old_home_and_other_pages_may_not() {
    let server = start(|_| ()).await;
    for (origin, status) in [("https://appr.tc", 200), ("https://evil.example", 403)] {
        let headers = format!("origin: {origin}\r\nreferer: https://appr.tc\r\n");
        let answer = http(server.listening(), "POST", "/join/mobile", &headers, "").await;
        assert_eq!(answer.status, status, "{origin}");
    }
}

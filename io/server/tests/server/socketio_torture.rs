//! What a hostile or broken client may send to the Socket.IO door, beside a call that loses nothing.

use std::net::SocketAddr;

use crate::support::{
    eio::{Line, Polling, framed},
    get, http, metric, start,
};
use futures_util::SinkExt;
use serde_json::json;
use tokio_tungstenite::tungstenite::Message;

/// Two who are in a room, and can talk.
async fn pair(address: SocketAddr) -> (Line, Line) {
    let (mut ann, _) = Line::connect(address, 4).await;
    let (mut bob, _) = Line::connect(address, 3).await;
    ann.emit(json!(["create or join", "calm"])).await;
    ann.event().await;
    bob.emit(json!(["create or join", "calm"])).await;
    assert_eq!(bob.event().await[0], "joined");
    assert_eq!(bob.event().await[0], "ready");
    assert_eq!(ann.event().await[0], "join");
    assert_eq!(ann.event().await[0], "ready");
    (ann, bob)
}

async fn still_talk((ann, bob): &mut (Line, Line)) {
    ann.emit(json!(["message", 1])).await;
    assert_eq!(bob.event().await, json!(["message", 1]));
    bob.emit(json!(["message", 2])).await;
    assert_eq!(ann.event().await, json!(["message", 2]));
}

#[tokio::test]
async fn a_bad_request_is_answered_in_the_words_of_the_protocol() {
    let server = start(|_| ()).await;
    for (query, status, code) in [
        ("EIO=4&transport=pigeon", 400, 0),
        ("EIO=3&transport=polling&sid=nobody", 400, 1),
        ("EIO=4&transport=polling&sid=AAAAAAAAAAAAAAHs", 400, 1),
        ("EIO=9&transport=polling", 400, 5),
    ] {
        let answer = get(server.listening(), &format!("/socket.io/?{query}")).await;
        assert_eq!(answer.status, status, "{query}: {answer:?}");
        assert_eq!(answer.json()["code"], code, "{query}: {answer:?}");
    }
    let answer = http(
        server.listening(),
        "POST",
        "/socket.io/?EIO=4&transport=polling",
        "",
        "40",
    )
    .await;
    assert_eq!((answer.status, &answer.json()["code"]), (400, &json!(2)));
}

/// FAULTS W20, and the garbage of the original's tests.
#[tokio::test]
async fn nonsense_ends_the_connection_and_nobody_elses() {
    let server = start(|_| ()).await;
    let mut calm = pair(server.listening()).await;
    let long = format!("40/{},", "n".repeat(64 * 1024));
    for nonsense in [
        "49[\"x\"]",
        "4",
        "9",
        "hello",
        "42not json",
        "42[]",
        "42[7]",
        "42{\"a\":1}",
        "451000000000-[\"x\"]",
        "4599999999999999999999-[\"x\"]",
        "4299999999999999999999999[\"message\",1]",
        &long,
        &format!("42[\"message\",{}1{}]", "[".repeat(30_000), "]".repeat(30_000)),
    ] {
        for version in [3, 4] {
            let (mut line, _) = Line::connect(server.listening(), version).await;
            line.send(nonsense).await;
            // Whether it is dropped or ends the connection: it is not obeyed, and the next ones are served.
            line.emit(json!(["create or join", "torture"])).await;
            loop {
                let packet = line.next().await;
                if packet.is_empty() || packet.contains("created") {
                    break;
                }
            }
        }
        still_talk(&mut calm).await;
    }
}

#[tokio::test]
async fn any_room_is_a_room_and_null_is_one() {
    let server = start(|_| ()).await;
    for room in [
        json!(null),
        json!(""),
        json!({"a": [1, "é"]}),
        json!("../../etc"),
        json!("😀"),
    ] {
        let (mut line, id) = Line::connect(server.listening(), 3).await;
        line.emit(json!(["create or join", room])).await;
        assert_eq!(line.event().await, json!(["created", room, id]));
    }
}

/// FAULTS W22.
#[tokio::test]
async fn a_second_poll_and_a_post_after_the_end_are_refused() {
    let server = start(|_| ()).await;
    // In version 3 the client pings: nothing comes by itself that could end a poll.
    let (session, _) = Polling::open(server.listening(), 3, "").await;
    session.until("2:40").await;
    let (one, two) = tokio::join!(session.poll(), session.poll());
    let mut statuses = [one.status, two.status];
    statuses.sort_unstable();
    assert_eq!(statuses, [200, 400]);
    assert_eq!(session.post(&framed("42[\"message\",1]")).await.status, 400);

    let (session, _) = Polling::open(server.listening(), 4, "").await;
    session.post("40").await;
    session.post("1").await;
    let after = session.post("42[\"message\",1]").await;
    assert_eq!((after.status, &after.json()["code"]), (400, &json!(1)));
}

#[tokio::test]
async fn a_session_that_polls_becomes_a_websocket_and_loses_nothing() {
    let server = start(|_| ()).await;
    for version in [3, 4] {
        let (session, _) = Polling::open(server.listening(), version, "").await;
        let wrap = |packet: &str| {
            if version == 3 {
                framed(packet)
            } else {
                packet.to_owned()
            }
        };
        if version == 4 {
            session.post("40").await;
        }
        session.until("40").await;
        let query = format!("EIO={version}&transport=websocket&sid={}", session.sid());
        // A poll hangs while the WebSocket comes; it is let go with a `6`.
        let (pending, mut line) = tokio::join!(session.poll(), async {
            let mut line = Line::open(server.listening(), &query).await;
            line.send("2probe").await;
            assert_eq!(line.next().await, "3probe");
            session.post(&wrap("42[\"create or join\",\"up\"]")).await;
            line.send("5").await;
            line
        });
        assert_eq!(pending.status, 200);
        let mut heard = pending.body;
        while !heard.contains("created") && !heard.contains("joined") {
            let packet = line.next().await;
            assert!(!packet.is_empty(), "closed after {heard}");
            heard.push_str(&packet);
        }
    }
}

#[tokio::test]
async fn a_silent_client_is_gone_and_its_seat_is_free() {
    let server = start(|config| {
        config.doors.socketio.ping_seconds = 1;
        config.doors.socketio.timeout_seconds = 1;
    })
    .await;
    let (session, _) = Polling::open(server.listening(), 3, "").await;
    session.post(&framed("42[\"create or join\",\"silent\"]")).await;
    let (mut ann, _) = Line::connect(server.listening(), 4).await;
    ann.emit(json!(["create or join", "silent"])).await;
    assert_eq!(ann.event().await[0], "joined");
    assert_eq!(ann.event().await[0], "ready");
    assert_eq!(ann.event().await, json!(["message", "bye"]));
    assert_eq!(session.poll().await.status, 400);
}

#[tokio::test]
async fn a_message_above_the_limit_and_a_flood_end_only_themselves() {
    let server = start(|config| {
        config.limits.message_bytes = 4096;
        config.limits.message_burst = 20;
        config.limits.messages_per_second = 10;
        config.limits.dropped_in_a_row = 10;
    })
    .await;
    let mut calm = pair(server.listening()).await;
    let (mut large, _) = Line::connect(server.listening(), 4).await;
    large.emit(json!(["message", "x".repeat(5000)])).await;
    large.is_closed().await;
    let (session, _) = Polling::open(server.listening(), 4, "").await;
    let answer = session
        .post(&format!("42[\"message\",\"{}\"]", "x".repeat(5000)))
        .await;
    assert_eq!(answer.status, 413);
    let (mut flood, _) = Line::connect(server.listening(), 4).await;
    for _ in 0..60 {
        let sent = flood.0.send(Message::text("42[\"x\"]"));
        if sent.await.is_err() {
            break;
        }
    }
    flood.is_closed().await;
    assert!(
        metric(
            server.listening(),
            "trefoil_refusals_total{code=\"rate_limited\"}"
        )
        .await
            >= 10
    );
    still_talk(&mut calm).await;
}

#[tokio::test]
async fn one_address_has_only_so_many_sessions_however_they_are_opened() {
    let server = start(|config| {
        config.limits.connections_per_address = 5;
        config.trusted_proxies = Vec::new();
    })
    .await;
    let mut sessions = Vec::new();
    for _ in 0..5 {
        let (session, answer) = Polling::open(server.listening(), 4, "").await;
        assert_eq!(answer.status, 200);
        sessions.push(session);
    }
    let (_, refused) = Polling::open(server.listening(), 4, "").await;
    assert_eq!(refused.status, 429);
    sessions[0].post("1").await;
    // The end of a session is worked off by a task of its own.
    loop {
        let (_, answer) = Polling::open(server.listening(), 4, "").await;
        if answer.status == 200 {
            break;
        }
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn pages_of_other_origins_may_not_come_in() {
    let server = start(|config| config.origins = vec!["https://app.example.org".into()]).await;
    let path = "/socket.io/?EIO=4&transport=polling";
    let from = |origin: &str| format!("origin: {origin}\r\n");
    let foreign = http(server.listening(), "GET", path, &from("https://evil.example"), "").await;
    assert_eq!(
        (foreign.status, foreign.header("access-control-allow-origin")),
        (403, None)
    );
    let listed = http(
        server.listening(),
        "GET",
        path,
        &from("https://app.example.org"),
        "",
    )
    .await;
    assert_eq!(
        (listed.status, listed.header("access-control-allow-origin")),
        (200, Some("https://app.example.org"))
    );
    assert_eq!(listed.header("access-control-allow-credentials"), Some("true"));
}

#[tokio::test]
async fn a_server_that_stops_says_goodbye_and_a_draining_one_takes_nobody() {
    let server = start(|_| ()).await;
    let (mut ann, mut bob) = pair(server.listening()).await;
    server.drain();
    let (_, answer) = Polling::open(server.listening(), 4, "").await;
    assert_eq!(answer.status, 503);
    let mut both = (ann, bob);
    still_talk(&mut both).await;
    (ann, bob) = both;
    tokio::join!(server.stop(), ann.is_closed(), bob.is_closed());
}

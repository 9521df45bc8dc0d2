//! Abuse of the WebSocket while a bystander's call on the same server goes on and loses nothing.

use crate::support::{bystanders::*, *};
use futures_util::SinkExt;
use serde_json::json;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpSocket,
    time::{Instant, timeout},
};
use tokio_tungstenite::tungstenite::Message;
use trefoil_server::HeartbeatConfig;

/// FAULTS W01: frames that RFC 6455 forbids.
#[tokio::test]
async fn forbidden_frames_close_the_connection_with_1002() {
    let (_server, address, bystanders) = calm().await;
    let forbidden: [(&str, Vec<u8>); 8] = [
        ("not masked", vec![0x81, 2, b'{', b'}']),
        ("a reserved bit", frame(0xC1, b"{}")),
        ("opcode 3", frame(0x83, b"{}")),
        ("opcode 11", frame(0x8B, b"")),
        ("a long ping", frame(0x89, &[b'x'; 126])),
        ("a fragmented ping", frame(0x09, b"x")),
        ("a continuation of nothing", frame(0x80, b"{}")),
        (
            "a message within a message",
            [frame(0x01, b"{"), frame(0x81, b"{}")].concat(),
        ),
    ];
    for (what, bytes) in forbidden {
        for joined in [false, true] {
            let mut stream = bare(address).await;
            if joined {
                stream
                    .write_all(&frame(0x81, br#"{"type":"join","version":1,"room":"abuse"}"#))
                    .await
                    .unwrap();
            }
            stream.write_all(&bytes).await.unwrap();
            assert_eq!(close_code(&mut stream).await, 1002, "{what}, joined: {joined}");
        }
    }
    assert!(bystanders.end().await > 0);
}

/// FAULTS W02 and W19: what is too large is refused by its announced length, before it is there.
#[tokio::test]
async fn oversized_messages_close_the_connection_with_1009_before_they_arrive() {
    let (_server, address, bystanders) = calm().await;
    for length in [64 * 1024 + 1, 10 * 1024 * 1024, 1_u64 << 62] {
        let mut stream = bare(address).await;
        let mut head = vec![0x81, 0x80 | 127];
        head.extend(length.to_be_bytes());
        head.extend([0; 4]);
        // Not a byte of the payload follows.
        stream.write_all(&head).await.unwrap();
        assert_eq!(close_code(&mut stream).await, 1009, "{length}");
    }
    let mut ann = Client::guest(address, "abuse", "Ann").await;
    let data = "x".repeat(64 * 1024);
    ann.send(json!({"type":"message","data":data})).await;
    assert_eq!(ann.expect("refused").await["code"], "too_large");
    assert_eq!(ann.expect("left").await["reason"], "misbehaved");
    assert_eq!(ann.close_code().await, 1009);
    let mut bob = Client::guest(address, "abuse", "Bob").await;
    let fits = 64 * 1024 - json!({"type":"message","data":""}).to_string().len();
    bob.send(json!({"type":"message","data":"x".repeat(fits)})).await;
    bob.hears_nothing().await;
    assert!(bystanders.end().await > 0);
}

/// FAULTS W04: nonsense is answered by name; the tenth closes; what is not UTF-8 closes at once.
#[tokio::test]
async fn nonsense_is_answered_and_then_ends() {
    let (_server, address, bystanders) = calm().await;
    let mut ann = Client::guest(address, "abuse", "Ann").await;
    let deep = format!(r#"{{"type":"message","data":{}"#, "[".repeat(60_000));
    let nonsense = [
        "",
        "hello",
        "[]",
        &deep,
        r#"{"type":"message","data":NaN}"#,
        r#"{"type":"lock","locked":1,"locked":true}"#,
        r#"{"type":"signal","to":{},"data":1}"#,
        "{\"type\":\"message\",\"data\":\"\u{0}\"}",
    ];
    for text in nonsense {
        ann.send_text(text).await;
        assert_eq!(ann.expect("refused").await["code"], "malformed", "{text:.60}");
    }
    ann.send_text(r#"{"type":"fly"}"#).await;
    let refused = ann.expect("refused").await;
    assert_eq!(
        (&refused["of"], &refused["code"]),
        (&json!("fly"), &json!("unknown_type"))
    );
    ann.socket.send(Message::binary(vec![0xff])).await.unwrap();
    assert_eq!(ann.expect("refused").await["code"], "malformed");
    assert_eq!(ann.expect("left").await["reason"], "misbehaved");
    assert_eq!(ann.close_code().await, 4002);

    let mut stream = bare(address).await;
    stream
        .write_all(&frame(0x81, b"{\"type\":\"\xff\"}"))
        .await
        .unwrap();
    assert_eq!(close_code(&mut stream).await, 1007);

    let mut early = Client::open(address).await;
    for _ in 0..10 {
        early.send_text("[").await;
        assert_eq!(early.expect("refused").await["code"], "malformed");
    }
    assert_eq!(early.close_code().await, 4002);
    assert!(bystanders.end().await > 0);
}

/// FAULTS W05: a message in endless pieces is bounded in size; the deadline for `join` bounds its time.
#[tokio::test]
async fn endless_fragments_are_capped() {
    let (_server, address, bystanders) = calm().await;
    let mut stream = bare(address).await;
    stream.write_all(&frame(0x01, &[b'x'; 1000])).await.unwrap();
    for _ in 0..70 {
        // Writing fails once the server has closed.
        let _ = stream.write_all(&frame(0x00, &[b'x'; 1000])).await;
    }
    assert_eq!(close_code(&mut stream).await, 1009);
    assert!(bystanders.end().await > 0);
}

/// FAULTS W06: ten thousand messages at once.
#[tokio::test]
async fn a_flood_is_refused_and_then_ends() {
    let (_server, address, bystanders) = calm().await;
    let mut flooder = Client::guest(address, "abuse", "Flooder").await;
    let mut victim = Client::guest(address, "abuse", "Victim").await;
    flooder.expect("participant_joined").await;
    let stream = flooder.socket.get_mut();
    let message = frame(0x81, br#"{"type":"message","data":"flood"}"#);
    // The server closes before it has read them all.
    let _ = timeout(PATIENCE, stream.write_all(&message.repeat(10_000)))
        .await
        .unwrap();
    assert_eq!(victim.until("participant_left").await["reason"], "misbehaved");
    assert_eq!(flooder.close_code().await, 4008);
    assert!(metric(address, "trefoil_refusals_total{code=\"rate_limited\"}").await >= 100);
    assert!(bystanders.end().await > 0);
}

/// FAULTS W08: a client that never reads is let go, and the room does not wait for it.
#[tokio::test]
async fn a_zero_window_is_let_go_and_nobody_waits() {
    let server = start(|config| {
        config.limits.messages_per_second = 100_000;
        config.limits.message_burst = 100_000;
    })
    .await;
    let address = server.listening();
    let bystanders = Bystanders::start(address).await;
    let mut talker = Client::guest(address, "abuse", "Talker").await;
    let small = TcpSocket::new_v4().unwrap();
    small.set_recv_buffer_size(4096).unwrap();
    let mut deaf = Client::over(small.connect(address).await.unwrap()).await;
    deaf.send_join(json!({"room":"abuse","name":"Deaf"})).await;
    let deaf_id = talker.expect("participant_joined").await["participant"]["id"].clone();
    let mut reader = Client::guest(address, "abuse", "Reader").await;
    talker.expect("participant_joined").await;

    let data = "x".repeat(60_000);
    let mut number = 0;
    let left = loop {
        talker
            .send(json!({"type":"message","data":{"n":number,"data":data}}))
            .await;
        let heard = reader.next().await;
        if heard["type"] == "participant_left" {
            break heard;
        }
        assert_eq!(heard["data"]["n"], number);
        number += 1;
        assert!(number < 1000, "the deaf client is never let go");
    };
    assert_eq!(
        left,
        json!({"type":"participant_left","participant":deaf_id,"reason":"too_slow"})
    );
    assert_eq!(
        metric(address, "trefoil_refusals_total{code=\"too_slow\"}").await,
        1
    );
    // Its connection is closed too, though it never reads the reason.
    let deadline = Instant::now() + PATIENCE;
    while metric(address, "trefoil_websockets").await > 4 {
        assert!(Instant::now() < deadline, "the deaf connection is never closed");
    }
    drop(deaf);
    assert!(bystanders.end().await > 0);
}

/// FAULTS W09: pongs and pings of others are harmless, unless they are a flood.
#[tokio::test]
async fn control_frames_are_harmless_until_they_are_a_flood() {
    let (_server, address, bystanders) = calm().await;
    let mut ann = Client::guest(address, "abuse", "Ann").await;
    for _ in 0..60 {
        ann.socket.feed(Message::Pong(vec![7; 125].into())).await.unwrap();
        ann.socket.feed(Message::Ping(vec![8; 125].into())).await.unwrap();
    }
    ann.socket.flush().await.unwrap();
    ann.hears_nothing().await;
    let stream = ann.socket.get_mut();
    let _ = timeout(PATIENCE, stream.write_all(&frame(0x8A, &[9; 125]).repeat(10_000)))
        .await
        .unwrap();
    assert_eq!(ann.close_code().await, 4008);
    assert!(bystanders.end().await > 0);
}

/// FAULTS W09: a client that is silent is pinged, and closed if it does not answer.
#[tokio::test]
async fn a_silent_connection_is_closed_and_one_that_answers_stays() {
    let server = start(|config| {
        config.heartbeat = HeartbeatConfig {
            ping_seconds: 0.3,
            away_seconds: 1.5,
            seat_seconds: 1.5,
            resume_seconds: 1.5,
        };
    })
    .await;
    let address = server.listening();
    let mut answering = Client::guest(address, "lobby", "Answering").await;
    let silent = Client::guest(address, "lobby", "Silent").await;
    answering.expect("participant_joined").await;
    // Whoever waits for this answers pings meanwhile, for five times as long as silence would be allowed.
    answering.until("participant_left").await;
    let mut stream = silent.socket.into_inner();
    let mut rest = Vec::new();
    timeout(PATIENCE, stream.read_to_end(&mut rest))
        .await
        .expect("the silent connection is not closed")
        .unwrap();
    answering.hears_nothing().await;
}

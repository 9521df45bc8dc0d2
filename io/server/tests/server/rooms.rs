//! Rooms over real sockets: seats, isolation, breaks, resumes, kicks.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use crate::support::*;
use serde_json::{Value, json};
use tokio::{sync::Barrier, task::JoinSet, time::Instant};
use trefoil_server::HeartbeatConfig;

/// Fast enough for a test, slow enough for a busy machine.
fn quick() -> HeartbeatConfig {
    HeartbeatConfig {
        ping_seconds: 0.5,
        away_seconds: 2.0,
        seat_seconds: 2.5,
        resume_seconds: 15.0,
    }
}

/// FAULTS W16: never a byte to another room, also where the rooms have the same name.
#[tokio::test]
async fn rooms_of_the_same_name_in_two_namespaces_do_not_hear_each_other() {
    let server = start(|_| {}).await;
    let address = server.listening();
    let join = |namespace: &str, room: &str| json!({"namespace": namespace, "room": room});
    let mut here = Client::join(address, join("a", "lobby")).await;
    let mut friend = Client::join(address, join("a", "lobby")).await;
    here.expect("participant_joined").await;
    let mut others = Vec::new();
    for (namespace, room) in [("b", "lobby"), ("a", "other"), ("default", "lobby")] {
        let other = Client::join(address, join(namespace, room)).await;
        assert_eq!(other.joined["participants"].as_array().unwrap().len(), 1);
        others.push(other);
    }
    here.send(json!({"type":"message","data":"for a/lobby"})).await;
    assert_eq!(friend.expect("message").await["data"], "for a/lobby");
    for other in &mut others {
        here.send(json!({"type":"signal","to":other.id(),"data":"psst"}))
            .await;
        assert_eq!(here.expect("refused").await["code"], "no_such_participant");
        other.hears_nothing().await;
        let resume = json!({"resume":{"token":here.resume_token().replace("r_", "r_A"),"received":0}});
        assert_eq!(Client::refused(address, resume).await, "session_lost");
    }
    friend.hears_nothing().await;
    assert_eq!(
        metric(address, "trefoil_refusals_total{code=\"no_such_participant\"}").await,
        3
    );
    assert_eq!(metric(address, "trefoil_rooms").await, 4);
    assert_eq!(metric(address, "trefoil_participants").await, 5);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_a_hundred_who_race_for_the_last_seat_exactly_one_gets_it() {
    let server = start(|config| config.rooms.member_limit = 2).await;
    let address = server.listening();
    let mut first = Client::guest(address, "race", "First").await;
    let start = Arc::new(Barrier::new(100));
    let mut racers = JoinSet::new();
    for number in 0..100 {
        let start = start.clone();
        racers.spawn(async move {
            let mut racer = Client::open(address).await;
            start.wait().await;
            racer
                .send_join(json!({"room":"race","name":format!("Racer {number}")}))
                .await;
            let answer = racer.next().await;
            (answer, racer)
        });
    }
    let mut answers = BTreeMap::<String, usize>::new();
    // The winner keeps its seat until all have been answered.
    let mut inside = Vec::new();
    while let Some(done) = racers.join_next().await {
        let (answer, racer) = done.unwrap();
        let word = if answer["type"] == "joined" {
            &answer["type"]
        } else {
            &answer["code"]
        };
        *answers.entry(word.as_str().unwrap().to_owned()).or_default() += 1;
        inside.push(racer);
    }
    assert_eq!(
        answers,
        BTreeMap::from([("joined".to_owned(), 1), ("room_full".to_owned(), 99)])
    );
    first.expect("participant_joined").await;
    first.hears_nothing().await;
}

/// FAULTS W14: the old connection is told, the others see one go and one come.
#[tokio::test]
async fn the_same_identity_replaces_itself_also_in_a_full_room() {
    let server = start(|config| config.rooms.member_limit = 2).await;
    let address = server.listening();
    let token = http(address, "POST", "/v1/join", "", r#"{"name":"Ann"}"#)
        .await
        .json()["token"]
        .clone();
    let mut old = Client::join(address, json!({"token": token})).await;
    let mut bob = Client::guest(address, "lobby", "Bob").await;
    old.expect("participant_joined").await;
    let new = Client::join(address, json!({"token": token})).await;
    assert_ne!(new.id(), old.id());
    assert_eq!(old.next().await, json!({"type":"left","reason":"replaced"}));
    assert_eq!(old.close_code().await, 1000);
    let left = json!({"type":"participant_left","participant":old.id(),"reason":"replaced"});
    assert_eq!(bob.next().await, left);
    assert_eq!(
        bob.expect("participant_joined").await["participant"]["id"],
        new.joined["you"]
    );
    let stale = json!({"resume":{"token":old.resume_token(),"received":0}});
    assert_eq!(Client::refused(address, stale).await, "session_lost");
}

#[tokio::test]
async fn a_short_break_resumes_with_what_was_missed_and_nothing_twice() {
    let server = start(|_| {}).await;
    let address = server.listening();
    let mut ann = Client::guest(address, "lobby", "Ann").await;
    let mut bob = Client::guest(address, "lobby", "Bob").await;
    ann.expect("participant_joined").await;
    ann.send(json!({"type":"message","data":1})).await;
    bob.expect("message").await;
    bob.send(json!({"type":"message","data":"from bob"})).await;
    ann.expect("message").await;
    let before = bob.break_off();
    assert_eq!(
        ann.expect("participant_updated").await["participant"]["away"],
        true
    );
    for number in 2..=4 {
        ann.send(json!({"type":"signal","to":before["you"],"data":number}))
            .await;
    }
    let resume = |joined: &Value, received: u64| json!({"resume":{"token":joined["resume"]["token"],"received":received}});
    let mut bob = Client::join(address, resume(&before, 1)).await;
    assert_eq!(
        (&bob.joined["resumed"], &bob.joined["you"]),
        (&json!(true), &before["you"])
    );
    assert_eq!(bob.joined["resume"]["received"], 1);
    for number in 2..=4 {
        assert_eq!(bob.expect("signal").await["data"], number);
    }
    bob.hears_nothing().await;
    assert_eq!(
        ann.expect("participant_updated").await["participant"]["away"],
        false
    );

    // Again, this time with one message that the server believes sent and the client never got.
    let before = bob.break_off();
    ann.expect("participant_updated").await;
    let mut bob = Client::join(address, resume(&before, 3)).await;
    assert_eq!(bob.expect("signal").await["data"], 4);
    bob.hears_nothing().await;
    assert_eq!(metric(address, "trefoil_resumes_total").await, 2);
}

#[tokio::test]
async fn a_resume_before_the_server_saw_the_break_takes_over() {
    let server = start(|_| {}).await;
    let address = server.listening();
    let mut ann = Client::guest(address, "lobby", "Ann").await;
    let mut bob = Client::guest(address, "lobby", "Bob").await;
    ann.expect("participant_joined").await;
    let back = Client::join(
        address,
        json!({"resume":{"token":bob.resume_token(),"received":0}}),
    )
    .await;
    assert_eq!(back.id(), bob.id());
    assert_eq!(bob.close_code().await, 1000, "the connection that hung is closed");
    ann.hears_nothing().await;
}

/// FAULTS W09: a socket that stops answering; its seat is free in time and somebody else gets it.
#[tokio::test]
async fn a_vanished_client_is_away_and_then_its_seat_is_free() {
    let server = start(|config| {
        config.heartbeat = quick();
        config.rooms.member_limit = 2;
    })
    .await;
    let address = server.listening();
    let mut ann = Client::guest(address, "lobby", "Ann").await;
    // Nobody reads this socket any more, so no ping is answered.
    let bob = Client::guest(address, "lobby", "Bob").await;
    let heard = Instant::now();
    ann.expect("participant_joined").await;
    assert_eq!(
        ann.expect("participant_updated").await["participant"]["away"],
        true
    );
    assert!(
        heard.elapsed() >= Duration::from_millis(1900),
        "{:?}",
        heard.elapsed()
    );
    let left = json!({"type":"participant_left","participant":bob.id(),"reason":"timeout"});
    assert_eq!(ann.next().await, left);
    assert!(
        heard.elapsed() >= Duration::from_millis(2400),
        "{:?}",
        heard.elapsed()
    );
    let mut carol = Client::guest(address, "lobby", "Carol").await;
    ann.expect("participant_joined").await;
    let resume = json!({"resume":{"token":bob.resume_token(),"received":0}});
    assert_eq!(Client::refused(address, resume.clone()).await, "room_full");
    carol.send(json!({"type":"leave"})).await;
    ann.expect("participant_left").await;
    let back = Client::join(address, resume).await;
    assert_eq!(back.id(), bob.id());
    assert_eq!(
        ann.expect("participant_joined").await["participant"]["id"],
        bob.joined["you"]
    );
}

#[tokio::test]
async fn a_session_that_is_too_old_is_lost() {
    let server = start(|config| {
        // The seat is freed and the session forgotten at once.
        config.heartbeat = HeartbeatConfig {
            ping_seconds: 0.1,
            away_seconds: 0.2,
            seat_seconds: 0.2,
            resume_seconds: 0.2,
        };
    })
    .await;
    let address = server.listening();
    let bob = Client::guest(address, "lobby", "Bob").await;
    let resume = json!({"resume":{"token":bob.resume_token(),"received":0}});
    drop(bob);
    let deadline = Instant::now() + PATIENCE;
    while metric(address, "trefoil_participants").await > 0 {
        assert!(Instant::now() < deadline, "the seat is never freed");
    }
    assert_eq!(Client::refused(address, resume).await, "session_lost");
}

/// FAULTS W13: kicked, and not back until the time is over.
#[tokio::test]
async fn a_moderator_removes_somebody_who_then_stays_out() {
    let server = start_with_keys(|_| {}).await;
    let address = server.listening();
    let moderator = token(address, json!({"room":"r","identity":"mo","role":"moderator"})).await;
    let guest = token(address, json!({"room":"r","identity":"ann","name":"Ann"})).await;
    let mut moderator = Client::join(address, json!({"token":moderator})).await;
    let mut ann = Client::join(address, json!({"token":guest})).await;
    moderator.expect("participant_joined").await;
    ann.send(json!({"type":"kick","participant":moderator.id()}))
        .await;
    assert_eq!(ann.expect("refused").await["code"], "forbidden");
    moderator
        .send(json!({"type":"kick","participant":ann.id()}))
        .await;
    assert_eq!(ann.next().await, json!({"type":"left","reason":"kicked"}));
    assert_eq!(moderator.expect("participant_left").await["reason"], "kicked");
    assert_eq!(Client::refused(address, json!({"token":guest})).await, "kicked");
    let bearer = format!("authorization: Bearer {guest}\r\n");
    let answer = http(address, "POST", "/v1/join", &bearer, "").await;
    assert_eq!((answer.status, answer.code()), (403, "kicked".to_owned()));
    assert!(answer.header("retry-after").is_some());
}

/// As many as the usual limit of open files lets one process serve and be at once.
const STORM: usize = 400;

/// FAULTS W15, scaled down: many break at once and all come back, and nobody is told more than needed.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_storm_of_resumes_brings_everybody_back() {
    let server = start(|_| {}).await;
    let address = server.listening();
    let mut joins = JoinSet::new();
    for number in 0..STORM {
        joins.spawn(async move { Client::guest(address, &format!("room-{}", number / 4), "X").await });
    }
    let clients = joins.join_all().await;
    let mut resumes = JoinSet::new();
    for client in clients {
        resumes.spawn(async move {
            let joined = client.break_off();
            let back = Client::join(
                address,
                json!({"resume":{"token":joined["resume"]["token"],"received":0}}),
            )
            .await;
            assert_eq!(back.joined["you"], joined["you"]);
            back
        });
    }
    assert_eq!(resumes.join_all().await.len(), STORM);
    assert_eq!(metric(address, "trefoil_participants").await, STORM as u64);
    assert_eq!(metric(address, "trefoil_resumes_total").await, STORM as u64);
}

/// FAULTS W15: whoever is sent away together is told another time to come back.
#[tokio::test]
async fn a_server_that_stops_tells_each_another_time_to_come_back() {
    let server = start(|_| {}).await;
    let address = server.listening();
    let mut clients = Vec::new();
    for number in 0..20 {
        clients.push(Client::guest(address, &format!("room-{number}"), "X").await);
    }
    let end = async {
        let mut times = std::collections::BTreeSet::new();
        for client in &mut clients {
            let left = client.until("left").await;
            times.insert(left["retry_after_ms"].as_u64().unwrap());
        }
        clients.clear();
        times
    };
    let (_, times) = tokio::join!(server.stop(), end);
    assert!(times.len() > 15, "{times:?}");
    assert!(times.iter().all(|time| *time < 1000), "{times:?}");
}

/// FAULTS W18: rooms are limited, and those that nobody uses go.
#[tokio::test]
async fn rooms_are_limited_and_empty_ones_expire() {
    let server = start(|config| {
        config.limits.rooms_per_namespace = 2;
        config.rooms.empty_timeout_seconds = 1;
    })
    .await;
    let address = server.listening();
    let _one = Client::guest(address, "one", "Ann").await;
    let mut two = Client::guest(address, "two", "Ann").await;
    assert_eq!(
        Client::refused(address, json!({"room":"three"})).await,
        "room_limit"
    );
    let answer = http(address, "POST", "/v1/join", "", r#"{"room":"three"}"#).await;
    assert_eq!((answer.status, answer.code()), (409, "room_limit".to_owned()));
    two.send(json!({"type":"leave"})).await;
    two.close_code().await;
    let deadline = Instant::now() + PATIENCE;
    while metric(address, "trefoil_rooms").await > 1 {
        assert!(Instant::now() < deadline, "the empty room never goes");
    }
    Client::guest(address, "three", "Ann").await;
}

#[tokio::test]
async fn a_draining_server_lets_nobody_in_and_keeps_those_inside() {
    let server = start(|_| {}).await;
    let address = server.listening();
    let mut ann = Client::guest(address, "lobby", "Ann").await;
    let mut waiting = Client::open(address).await;
    assert_eq!(get(address, "/readyz").await.status, 200);
    server.drain();
    assert_eq!(get(address, "/readyz").await.status, 503);
    assert_eq!(get(address, "/healthz").await.status, 200);
    let answer = http(address, "POST", "/v1/join", "", "").await;
    assert_eq!(
        (answer.status, answer.code()),
        (503, "server_stopping".to_owned())
    );
    let answer = get(address, "/v1/signal").await;
    assert_eq!(
        (answer.status, answer.code()),
        (503, "server_stopping".to_owned())
    );
    waiting.send_join(json!({})).await;
    assert_eq!(waiting.expect("refused").await["code"], "server_stopping");
    assert_eq!(waiting.close_code().await, 1001);
    ann.hears_nothing().await;
    let (_, last) = tokio::join!(server.stop(), ann.next());
    assert_eq!(
        (&last["type"], &last["reason"]),
        (&json!("left"), &json!("server_stopping"))
    );
}

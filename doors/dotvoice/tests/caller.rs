//! A client's way through DotVoice's messages: what it says in which order, and what it is told.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "tests"
)]

use serde_json::{Value, json};
use trefoil_dotvoice::{Act, Caller, Configure, Join, Message, Peer, Welcome};
use trefoil_wire::IceServer;

fn sent(acts: &[Act]) -> Vec<Value> {
    let texts = acts.iter().filter_map(|act| match act {
        Act::Send(text) => Some(serde_json::from_str(text).unwrap()),
        Act::Enter(_)
        | Act::Mute(_)
        | Act::Complexity(_)
        | Act::Volume(_)
        | Act::Offer(_)
        | Act::Leave
        | Act::Drop => None,
    });
    texts.collect()
}

fn inside() -> (Caller, Vec<Value>) {
    let mut caller = Caller::new();
    let acts = caller.entered(Welcome {
        user: "mx1".into(),
        connection: "c1".into(),
        peers: vec![Peer {
            id: "mx77".into(),
            published: true,
        }],
        ice_servers: vec![
            IceServer {
                urls: vec!["stun:h:3478".into()],
                username: None,
                credential: None,
            },
            IceServer {
                urls: vec!["turn:h:1".into(), "turn:h:2".into()],
                username: Some("u".into()),
                credential: Some("c".into()),
            },
        ],
    });
    (caller, sent(&acts))
}

fn configure(wish: Configure) -> Message {
    Message::Configure(wish)
}

#[test]
fn whoever_joins_is_told_who_is_there_and_where_to_find_a_way() {
    let mut caller = Caller::new();
    let join = Join {
        room: "lalala".into(),
        token: String::new(),
    };
    assert_eq!(
        caller.receive(Message::Join(join.clone())),
        [Act::Enter(join.clone())]
    );
    let (mut caller, told) = inside();
    let turn = |url: &str| json!({"url": url, "username": "u", "credential": "c"});
    assert_eq!(
        told,
        [
            json!({"type": "joined", "from": "mx1", "target": "mx1", "connectionId": "c1", "data": {
                "peers": [{"id": "mx77", "published": true}],
                "iceServers": [{"url": "stun:h:3478", "username": "", "credential": ""}, turn("turn:h:1"), turn("turn:h:2")],
            }})
        ]
    );
    assert_eq!(caller.receive(Message::Join(join)), [Act::Drop]);
}

#[test]
fn a_call_is_configured_by_its_answer_and_only_that_has_a_jsep() {
    let (mut caller, _) = inside();
    let acts = caller.receive(configure(Configure {
        muted: Some(false),
        quality: Some(8),
        volume: Some(80),
        offer: Some("v=0".into()),
    }));
    assert_eq!(
        acts,
        [Act::Complexity(8), Act::Volume(80), Act::Offer("v=0".into())]
    );
    let told = sent(&caller.answered("v=1"));
    assert_eq!(
        told,
        [
            json!({"type": "configured", "from": "mx1", "target": "mx1", "connectionId": "c1",
            "data": {"muted": false, "quality": 8, "volume": 80}, "jsep": {"type": "answer", "sdp": "v=1"}})
        ]
    );
    let acts = caller.receive(configure(Configure {
        muted: Some(true),
        quality: Some(8),
        ..Configure::default()
    }));
    assert_eq!(acts[0], Act::Mute(true));
    assert_eq!(acts.len(), 2, "{acts:?}");
    assert_eq!(
        sent(&acts)[0]["data"],
        json!({"muted": true, "quality": 8, "volume": 80})
    );
    assert_eq!(sent(&acts)[0]["jsep"], Value::Null);
}

#[test]
fn every_message_names_the_connection() {
    let (caller, _) = inside();
    let other = Peer {
        id: "mx2".into(),
        published: false,
    };
    let told = sent(&caller.joined(&other));
    assert_eq!(
        (&told[0]["from"], &told[0]["connectionId"]),
        (&json!("mx2"), &json!("c1"))
    );
    let told = sent(&caller.refused("room_full", "full"));
    assert_eq!(told[0]["connectionId"], "c1");
}

#[test]
fn what_comes_before_join_or_is_not_known_is_dropped_and_keeplive_may_come_at_once() {
    let mut caller = Caller::new();
    for message in [
        configure(Configure::default()),
        Message::Leave,
        Message::Candidates,
        Message::Other,
    ] {
        assert_eq!(caller.receive(message.clone()), [Act::Drop], "{message:?}");
    }
    assert_eq!(caller.receive(Message::KeepAlive), []);
    let (mut caller, _) = inside();
    assert_eq!(caller.receive(Message::Other), [Act::Drop]);
    assert_eq!(caller.receive(Message::Candidates), []);
    assert_eq!(caller.receive(Message::Leave), [Act::Leave]);
}

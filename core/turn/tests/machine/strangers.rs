//! What somebody without credentials can do: little, and never more out than in.

use proptest::prelude::*;
use trefoil_stun::{AttributeType, Class, Method, TransactionId, Writer};
use trefoil_turn::Verdict;

use crate::world::{PEER, World, client, config, udp};

fn message(class: Class, method: Method, fill: impl FnOnce(&mut Writer<'_>)) -> Vec<u8> {
    let mut buffer = [0; 512];
    let mut writer = Writer::new(&mut buffer, class, method, TransactionId([9; 12]));
    fill(&mut writer);
    let length = writer.finish().unwrap();
    buffer[..length].to_vec()
}

#[test]
fn a_challenge_is_at_most_nineteen_tenths_of_the_request() {
    let (mut world, ann) = (World::new(config()), client(1, "ann"));
    let request = message(Class::Request, Method::Allocate, udp);
    let answer = world.ask_with(&ann, &request);
    assert_eq!(request.len(), 28);
    assert!(answer.bytes.len() <= 53, "{} bytes", answer.bytes.len());
}

#[test]
fn a_binding_request_is_answered_with_one_address_and_a_fingerprint_only_if_it_had_one() {
    let (mut world, ann) = (World::new(config()), client(1, "ann"));
    let answer = world.ask_with(&ann, &message(Class::Request, Method::Binding, |_| {}));
    assert_eq!(
        answer.address(AttributeType::XOR_MAPPED_ADDRESS),
        Some(ann.at.remote)
    );
    assert_eq!(answer.bytes.len(), 32);
    let with = message(Class::Request, Method::Binding, |writer| {
        writer.fingerprint();
    });
    let answer = world.ask_with(&ann, &with);
    assert!(
        trefoil_stun::Message::parse(&answer.bytes)
            .unwrap()
            .has_fingerprint()
    );
    assert_eq!(answer.bytes.len(), 40);
}

#[test]
fn behaviour_discovery_answers_from_the_address_that_is_asked_for() {
    let ask = |world: &mut World, change: u32| {
        let bytes = message(Class::Request, Method::Binding, |writer| {
            writer.number(AttributeType::CHANGE_REQUEST, change);
        });
        let (_, mut replies) = world.hand(client(1, "ann").at, &bytes);
        let (to, bytes) = replies.remove(0);
        (
            to.local.to_string(),
            trefoil_testkit::Answer::read(&bytes).unwrap(),
        )
    };
    let mut config = config();
    assert_eq!(
        ask(&mut World::new(config.clone()), 2).1.code,
        420,
        "it is off by default"
    );
    let (primary, alternate) = (
        crate::world::LISTENER.parse().unwrap(),
        "93.184.215.2:3479".parse().unwrap(),
    );
    config.discovery = Some(trefoil_turn::Discovery { primary, alternate });
    let mut world = World::new(config);
    for (change, from) in [
        (0, "93.184.215.1:3478"),
        (2, "93.184.215.1:3479"),
        (4, "93.184.215.2:3478"),
        (6, "93.184.215.2:3479"),
    ] {
        let (local, answer) = ask(&mut world, change);
        let address = |kind| {
            trefoil_stun::decode_address(&answer.attribute(kind).unwrap())
                .unwrap()
                .to_string()
        };
        assert_eq!(local, from);
        assert_eq!(address(AttributeType::RESPONSE_ORIGIN), from);
        assert_eq!(address(AttributeType::OTHER_ADDRESS), "93.184.215.2:3479");
    }
}

#[test]
fn what_needs_no_answer_gets_none() {
    let (mut world, ann) = (World::new(config()), client(1, "ann"));
    let mut classic = message(Class::Request, Method::Binding, |_| {});
    classic[4] = 0;
    let mut broken = message(Class::Request, Method::Binding, |writer| {
        writer.fingerprint();
    });
    broken[8] ^= 1;
    let silent = [
        message(Class::Success, Method::Binding, |_| {}),
        message(Class::Error, Method::Binding, |_| {}),
        message(Class::Indication, Method::Binding, |_| {}),
        message(Class::Success, Method::Allocate, udp),
        message(Class::Request, Method::Other(0x123), |_| {}),
        message(Class::Request, Method::Data, |_| {}),
        message(Class::Indication, Method::Send, |_| {}),
        classic,
        broken,
        vec![],
        vec![0x16, 0xfe, 0xfd],
        vec![0x40, 0, 0, 9, 1],
        vec![0xFF; 200],
    ];
    for bytes in &silent {
        assert_eq!(
            world.hand(ann.at, bytes),
            (Verdict::Nothing, Vec::new()),
            "{bytes:02x?}"
        );
    }
    assert_eq!(world.server.counts().malformed, silent.len() as u64);
}

#[test]
fn a_source_has_a_budget_of_answers_and_its_calls_go_on() {
    let mut config = config();
    config.limits.unproven_answers = Some(20);
    let (mut world, mut ann) = (World::new(config), client(1, "ann"));
    world.allocate(&mut ann);
    let binding = message(Class::Request, Method::Binding, |_| {});
    let challenge = message(Class::Request, Method::Allocate, udp);
    let answered = (0..100).filter(|round| {
        let mut at = ann.at;
        at.remote.set_port(3000 + round);
        let bytes = if round % 2 == 0 { &binding } else { &challenge };
        !world.hand(at, bytes).1.is_empty()
    });
    assert_eq!(answered.count(), 19, "one was spent on the first challenge");
    assert_eq!(world.server.counts().over_budget, 81);
    assert_eq!(world.refresh(&mut ann, 600).code, 0);
    world.advance(1);
    assert_eq!(world.ask_with(&ann, &binding).code, 0);
}

#[test]
fn a_stranger_leaves_nothing_behind() {
    let mut config = config();
    config.limits.unproven_answers = None;
    let (mut world, mut ann) = (World::new(config), client(1, "ann"));
    let answer = world.ask(&mut ann, Method::Allocate, udp);
    ann.turn.learn(&answer);
    ann.turn.password = "guess".to_owned();
    for number in 0..200 {
        ann.at.remote.set_port(2000 + number);
        assert_eq!(world.ask(&mut ann, Method::Allocate, udp).code, 401);
    }
    assert_eq!(
        (
            world.server.allocations(),
            world.open.len(),
            world.server.poll_timeout()
        ),
        (0, 0, None)
    );
}

#[test]
fn what_is_added_after_the_integrity_is_not_obeyed() {
    let (mut world, mut ann) = (World::new(config()), client(1, "ann"));
    world.allocate(&mut ann);
    let mut request = ann.turn.request(Method::Refresh, |_| {});
    request.extend([0, 0x0D, 0, 4]);
    request.extend(3333u32.to_be_bytes());
    let length = u16::try_from(request.len() - 20).unwrap();
    request[2..4].copy_from_slice(&length.to_be_bytes());
    assert_eq!(
        world.ask_with(&ann, &request).number(AttributeType::LIFETIME),
        Some(600)
    );
}

proptest! {
    #[test]
    fn any_bytes_from_anybody_are_survived(
        messages in proptest::collection::vec((0..3u16, proptest::collection::vec(any::<u8>(), 0..120), 0..20u16), 0..30)
    ) {
        let (mut world, mut ann) = (World::new(config()), client(1, "ann"));
        world.allocate(&mut ann);
        world.bind(&mut ann, 0x4000, PEER);
        for (from, mut bytes, method) in messages {
            // Half of the time the bytes look like a message, so that they come further.
            if method < 13 {
                bytes.truncate(bytes.len() / 4 * 4);
                let mut whole = message(Class::Request, Method::Other(method), |_| {});
                whole.extend(&bytes);
                let length = u16::try_from(bytes.len()).unwrap();
                whole[2..4].copy_from_slice(&length.to_be_bytes());
                bytes = whole;
            }
            let (verdict, replies) = world.hand(client(from, "ann").at, &bytes);
            prop_assert!(replies.iter().all(|(_, reply)| reply.len() * 10 <= bytes.len().max(28) * 19));
            if let Verdict::ToPeer { data, .. } | Verdict::ToClient { data, .. } = verdict {
                prop_assert!(data.end <= bytes.len());
            }
        }
        prop_assert_eq!(world.server.allocations(), 1);
    }
}

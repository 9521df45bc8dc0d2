//! Clients with access tokens: who is let in, for how long, and each refusal.

use trefoil_auth::{AccessToken, TokenKey};
use trefoil_stun::{AttributeType, Method, Writer};
use trefoil_testkit::Answer;
use trefoil_turn::{Config, Ledger, PeerPorts, ThirdParty, Transport};

use crate::world::{Client, PEER, World, client, config, udp};

const SERVER: &str = "turn.example.org";

fn shared(byte: u8) -> TokenKey {
    TokenKey::new(&[byte; 32]).unwrap()
}

fn with_third_party() -> Config {
    let mut config = config();
    config.credentials.third_party = Some(ThirdParty {
        server_name: SERVER.to_owned(),
        keys: [("first".to_owned(), shared(1)), ("second".to_owned(), shared(2))].into(),
    });
    config.tcp = Some(PeerPorts(vec![5000..=5000]));
    config
}

/// A token for a minute, made now, and the key in it.
fn token(world: &World, person: u8) -> (AccessToken, Vec<u8>) {
    let mac_key = vec![person; 20];
    let token = AccessToken {
        mac_key: mac_key.clone(),
        made_seconds: world.now().unix_seconds,
        lifetime_seconds: 60,
    };
    (token, mac_key)
}

fn give(client: &mut Client, (token, mac_key): (AccessToken, Vec<u8>)) {
    let sealed = token.seal(&shared(1), SERVER, [9; 12]).unwrap();
    client.turn.bearer = Some((sealed, mac_key));
}

/// A client with a token of its own.
fn bearer(world: &World, number: u16) -> Client {
    let mut client = client(number, "first");
    give(&mut client, token(world, u8::try_from(number).unwrap()));
    client
}

fn start() -> (World, Client) {
    let world = World::new(with_third_party());
    let ann = bearer(&world, 1);
    (world, ann)
}

fn check(world: &World, answer: &Answer, code: u16, name: &str) {
    assert_eq!(answer.code, code, "{name}");
    let refusals = &world.server.counts().refusals;
    assert!(refusals.contains_key(name), "{name}: {refusals:?}");
}

fn check_refused(name: &str, change: impl FnOnce(&World, &mut Client)) -> usize {
    let (mut world, mut ann) = start();
    change(&world, &mut ann);
    let answer = world.call(&mut ann, Method::Allocate, udp);
    check(&world, &answer, 401, name);
    assert!(answer.attribute(AttributeType::NONCE).is_some());
    assert_eq!((world.server.allocations(), world.ledger.sums().1), (0, 0));
    answer.bytes.len()
}

#[test]
fn a_challenge_names_the_server_for_the_authorisation_server() {
    let (mut world, mut ann) = start();
    let answer = world.ask(&mut ann, Method::Allocate, udp);
    let named = answer.attribute(AttributeType::THIRD_PARTY_AUTHORIZATION);
    assert_eq!((answer.code, named.as_deref()), (401, Some(SERVER.as_bytes())));
    let (mut world, mut bob) = (World::new(config()), client(2, "bob"));
    let answer = world.ask(&mut bob, Method::Allocate, udp);
    assert_eq!(answer.attribute(AttributeType::THIRD_PARTY_AUTHORIZATION), None);
}

#[test]
fn a_bearer_is_served_and_names_with_passwords_still_are() {
    let (mut world, mut ann) = start();
    world.allocate(&mut ann);
    assert_eq!(world.bind(&mut ann, 0x4000, PEER), 0);
    // The token need not be in each request: the key is known.
    ann.turn.bearer.as_mut().unwrap().0.clear();
    assert_eq!(world.permit(&mut ann, PEER), 0);
    let mut bob = client(2, "bob");
    world.allocate(&mut bob);
}

#[test]
fn an_allocation_lasts_no_longer_than_its_token() {
    let (mut world, mut ann) = start();
    let answer = world.call(&mut ann, Method::Allocate, udp);
    assert_eq!(
        answer.number(AttributeType::LIFETIME),
        Some(65),
        "five for the clocks"
    );
    world.advance(30);
    assert_eq!(
        world.refresh(&mut ann, 3600).number(AttributeType::LIFETIME),
        Some(35)
    );
    ann.turn.bearer.as_mut().unwrap().0.clear();
    assert_eq!(
        world.refresh(&mut ann, 3600).number(AttributeType::LIFETIME),
        Some(35),
        "nor without the token"
    );
    world.advance(34);
    assert_eq!(world.server.allocations(), 1);
    world.advance(1);
    assert_eq!((world.server.allocations(), world.ledger.sums().1), (0, 0));
}

#[test]
fn a_newer_token_lets_an_allocation_go_on_and_its_key_is_the_right_one_then() {
    let (mut world, mut ann) = start();
    world.allocate(&mut ann);
    let old = ann.turn.bearer.clone();
    world.advance(50);
    let newer = token(&world, 7);
    give(&mut ann, newer);
    assert_eq!(
        world.refresh(&mut ann, 600).number(AttributeType::LIFETIME),
        Some(65)
    );
    ann.turn.bearer.as_mut().unwrap().0.clear();
    assert_eq!(world.permit(&mut ann, PEER), 0);
    ann.turn.bearer = old;
    ann.turn.bearer.as_mut().unwrap().0.clear();
    assert_eq!(world.permit(&mut ann, PEER), 401, "the old key is forgotten");
    world.advance(70);
    assert_eq!(world.ledger.sums(), (0, 0), "whoever is counted stays the same");
}

#[test]
fn each_bearer_has_a_quota_of_their_own() {
    let (mut world, mut ann) = start();
    world.ledger = Ledger::new(1, 10);
    world.allocate(&mut ann);
    let mut again = bearer(&world, 2);
    again.turn.bearer = ann.turn.bearer.clone();
    assert_eq!(world.call(&mut again, Method::Allocate, udp).code, 486);
    let mut bob = bearer(&world, 3);
    world.allocate(&mut bob);
    assert_eq!(world.ledger.sums(), (2, 2));
}

#[test]
fn a_token_of_a_key_that_nobody_knows() {
    check_refused("token_key_unknown", |_, ann| {
        ann.turn.username = "third".to_owned()
    });
    check_refused("token_key_unknown", |_, ann| ann.turn.username = String::new());
    // A server without third parties: the token means nothing there.
    let (mut world, mut ann) = (World::new(config()), start().1);
    let answer = world.call(&mut ann, Method::Allocate, udp);
    check(&world, &answer, 401, "token_key_unknown");
}

#[test]
fn a_token_of_another_key_for_another_server_or_broken() {
    check_refused("token_unreadable", |_, ann| {
        ann.turn.username = "second".to_owned()
    });
    let reseal = |world: &World, ann: &mut Client, server: &str| {
        let sealed = token(world, 1).0.seal(&shared(1), server, [9; 12]).unwrap();
        ann.turn.bearer.as_mut().unwrap().0 = sealed;
    };
    check_refused("token_unreadable", |world, ann| {
        reseal(world, ann, "turn.example.com")
    });
    check_refused("token_unreadable", |_, ann| {
        ann.turn.bearer.as_mut().unwrap().0.truncate(20);
    });
    check_refused("token_unreadable", |_, ann| {
        *ann.turn.bearer.as_mut().unwrap().0.last_mut().unwrap() ^= 1;
    });
    check_refused("token_unreadable", |world, ann| {
        let (mut long, _) = token(world, 1);
        long.mac_key = vec![1; 33];
        give(ann, (long, vec![1; 20]));
    });
}

#[test]
fn a_token_that_is_good_no_more_or_not_yet() {
    for offset in [65, 66, 1000] {
        check_refused("token_expired", |world, ann| {
            let (mut old, key) = token(world, 1);
            old.made_seconds -= offset;
            give(ann, (old, key));
        });
    }
    check_refused("token_expired", |world, ann| {
        let (mut early, key) = token(world, 1);
        early.made_seconds += 65;
        give(ann, (early, key));
    });
}

#[test]
fn somebody_who_holds_a_token_without_its_key() {
    check_refused("unauthenticated", |_, ann| {
        ann.turn.bearer.as_mut().unwrap().1 = vec![8; 20];
    });
}

#[test]
fn the_reasons_look_alike_from_outside() {
    let mut sizes = [
        check_refused("token_key_unknown", |_, ann| {
            ann.turn.username = "third".to_owned()
        }),
        check_refused("token_unreadable", |_, ann| {
            ann.turn.username = "second".to_owned()
        }),
        check_refused("unauthenticated", |_, ann| {
            ann.turn.bearer.as_mut().unwrap().1 = vec![8; 20];
        }),
    ];
    sizes.sort_unstable();
    assert_eq!(sizes[0], sizes[2]);
}

#[test]
fn the_number_of_a_connection_is_of_use_to_its_bearer_alone() {
    let over_tcp = |mut client: Client| {
        client.at.transport = Transport::Tcp;
        client
    };
    let (mut world, ann) = start();
    let mut ann = over_tcp(ann);
    let tcp = |writer: &mut Writer<'_>| {
        writer.attribute(AttributeType::REQUESTED_TRANSPORT, &[6, 0, 0, 0]);
    };
    assert_eq!(world.call(&mut ann, Method::Allocate, tcp).code, 0);
    let request = ann.turn.request(Method::Connect, |writer| {
        writer.xor_address(AttributeType::XOR_PEER_ADDRESS, PEER.parse().unwrap());
    });
    world.hand(ann.at, &request);
    let connection = world.connecting.pop().unwrap().0;
    world.server.handle_connected(connection, true, world.now());
    world.settle();
    let number = |writer: &mut Writer<'_>| {
        writer.number(AttributeType::CONNECTION_ID, connection.get());
    };
    let mut other = over_tcp(bearer(&world, 2));
    let answer = world.call(&mut other, Method::ConnectionBind, number);
    assert_eq!(answer.code, 441);
    let mut data = over_tcp(bearer(&world, 3));
    data.turn.bearer = ann.turn.bearer.clone();
    assert_eq!(world.call(&mut data, Method::ConnectionBind, number).code, 0);
}

//! TCP allocations: connections with peers, who may have them, and each refusal.

use std::net::SocketAddr;
use std::time::Duration;

use trefoil_stun::{AttributeType, Class, Message, Method, Writer};
use trefoil_testkit::Answer;
use trefoil_turn::{
    Config, ConnectionId, Direction, IdentityRates, Ledger, PeerAddr, PeerPorts, RelayId, Shard, Transport,
    Verdict,
};

use crate::world::{Client, LISTENER, PEER, PEER_V6, RELAY_V4, World, client, config, udp};

fn with_tcp() -> Config {
    Config {
        tcp: Some(PeerPorts(vec![5000..=5009, 50_000..=50_099])),
        ..config()
    }
}

fn over(transport: Transport, number: u16, name: &str) -> Client {
    let mut client = client(number, name);
    client.at.transport = transport;
    client
}

fn tcp(writer: &mut Writer<'_>) {
    writer.attribute(AttributeType::REQUESTED_TRANSPORT, &[6, 0, 0, 0]);
}

/// Ann's TCP allocation, and its relay.
fn start_with(config: Config) -> (World, Client, RelayId) {
    let (mut world, mut ann) = (World::new(config), over(Transport::Tcp, 1, "ann"));
    let answer = world.call(&mut ann, Method::Allocate, tcp);
    assert_eq!(answer.code, 0);
    let relayed = answer.address(AttributeType::XOR_RELAYED_ADDRESS).unwrap();
    let relay = *world.open.iter().find(|(_, at)| **at == relayed).unwrap().0;
    (world, ann, relay)
}

fn start() -> (World, Client, RelayId) {
    start_with(with_tcp())
}

/// A Connect that is not answered at once.
fn connect(world: &mut World, client: &mut Client, peer: &str) -> ConnectionId {
    let peer: SocketAddr = peer.parse().unwrap();
    let request = client.turn.request(Method::Connect, |writer| {
        writer.xor_address(AttributeType::XOR_PEER_ADDRESS, peer);
    });
    let (verdict, replies) = world.hand(client.at, &request);
    assert_eq!(
        (verdict, replies.len()),
        (Verdict::Nothing, 0),
        "the peer is asked first"
    );
    let (connection, asked) = world.connecting.pop().unwrap();
    assert_eq!(asked, PeerAddr(peer));
    connection
}

fn refused_connect(world: &mut World, client: &mut Client, peer: &str) -> Answer {
    let peer = peer.parse().unwrap();
    let answer = world.call(client, Method::Connect, |writer| {
        writer.xor_address(AttributeType::XOR_PEER_ADDRESS, peer);
    });
    assert!(world.connecting.is_empty());
    answer
}

/// The one message that the client gets now.
fn told(world: &mut World, client: &Client) -> Vec<u8> {
    let mut replies = world.settle();
    assert_eq!((replies.len(), replies[0].0), (1, client.at));
    replies.remove(0).1
}

fn connected(world: &mut World, client: &mut Client, peer: &str) -> (ConnectionId, u32) {
    let connection = connect(world, client, peer);
    world.server.handle_connected(connection, true, world.now());
    let answer = Answer::read(&told(world, client)).unwrap();
    assert_eq!(answer.code, 0);
    (connection, answer.number(AttributeType::CONNECTION_ID).unwrap())
}

fn bind(world: &mut World, client: &mut Client, number: u32) -> Answer {
    world.call(client, Method::ConnectionBind, |writer| {
        writer.number(AttributeType::CONNECTION_ID, number);
    })
}

fn check(world: &World, answer: &Answer, code: u16, name: &str) {
    assert_eq!(answer.code, code, "{name}");
    let refusals = &world.server.counts().refusals;
    assert!(refusals.contains_key(name), "{name}: {refusals:?}");
}

#[test]
fn a_client_connects_to_a_peer_and_brings_a_connection_for_its_data() {
    let (mut world, mut ann, _) = start();
    let (connection, number) = connected(&mut world, &mut ann, PEER);
    let mut data = over(Transport::Tls, 2, "ann");
    assert_eq!(bind(&mut world, &mut data, number).code, 0);
    assert_eq!(world.spliced, [(connection, data.at)]);
    world.advance(60);
    assert!(world.disconnected.is_empty(), "it stands as long as both want it");
    let now = world.elapsed;
    assert_eq!(
        world.server.carry(connection, Direction::FromClient, 1000, now),
        1000
    );
    assert_eq!(world.server.carry(connection, Direction::ToClient, 500, now), 500);
    let traffic = world.server.counts().traffic;
    assert_eq!((traffic.bytes_from_client, traffic.bytes_to_client), (1000, 500));
    world.server.handle_connection_ended(connection);
    assert_eq!(world.server.carry(connection, Direction::ToClient, 500, now), 0);
    connected(&mut world, &mut ann, PEER);
}

#[test]
fn a_peer_with_a_permission_connects_and_the_client_is_told() {
    let (mut world, mut ann, relay) = start();
    let peer = PeerAddr("8.8.8.8:40000".parse().unwrap());
    assert_eq!(world.server.handle_incoming(relay, peer, world.now()), None);
    assert_eq!(world.permit(&mut ann, PEER), 0);
    let connection = world.server.handle_incoming(relay, peer, world.now()).unwrap();
    let bytes = told(&mut world, &ann);
    let message = Message::parse(&bytes).unwrap();
    assert_eq!(
        (message.class(), message.method()),
        (Class::Indication, Method::ConnectionAttempt)
    );
    assert_eq!(message.xor_address(AttributeType::XOR_PEER_ADDRESS), Some(peer.0));
    let number = message.number(AttributeType::CONNECTION_ID).unwrap();
    let mut data = over(Transport::Tcp, 2, "ann");
    assert_eq!(bind(&mut world, &mut data, number).code, 0);
    assert_eq!(world.spliced, [(connection, data.at)]);
    assert_eq!(world.server.counts().peers_turned_away, 1);
    world.advance(300);
    assert_eq!(
        world.server.handle_incoming(relay, peer, world.now()),
        None,
        "the permission has ended"
    );
}

#[test]
fn connections_end_with_their_allocation() {
    for by_refresh in [true, false] {
        let (mut world, mut ann, relay) = start();
        world.permit(&mut ann, PEER);
        let (first, number) = connected(&mut world, &mut ann, PEER);
        bind(&mut world, &mut over(Transport::Tcp, 2, "ann"), number);
        let second = connect(&mut world, &mut ann, "8.8.8.8:5001");
        let third = world
            .server
            .handle_incoming(relay, PeerAddr("8.8.8.8:7".parse().unwrap()), world.now());
        told(&mut world, &ann);
        if by_refresh {
            assert_eq!(world.refresh(&mut ann, 0).code, 0);
        } else {
            world.server.handle_disconnected(ann.at, world.now());
            world.settle();
        }
        assert_eq!(world.disconnected, [first, second, third.unwrap()]);
        assert!(world.open.is_empty());
        assert_eq!(
            world.server.poll_timeout(),
            None,
            "and nothing is left to wait for"
        );
        world.server.handle_connected(second, true, world.now());
        assert!(world.settle().is_empty());
    }
}

#[test]
fn tcp_is_relayed_only_if_it_is_asked_for() {
    let (mut world, mut ann) = (World::new(config()), over(Transport::Tcp, 1, "ann"));
    let answer = world.call(&mut ann, Method::Allocate, tcp);
    check(&world, &answer, 442, "unsupported_transport");
}

#[test]
fn tcp_allocations_and_their_data_need_a_connection() {
    for transport in [Transport::Udp, Transport::Dtls] {
        let (mut world, mut ann) = (World::new(with_tcp()), over(transport, 1, "ann"));
        let answer = world.call(&mut ann, Method::Allocate, tcp);
        check(&world, &answer, 400, "needs_stream");
        assert_eq!(bind(&mut world, &mut ann, 7).code, 400);
    }
}

#[test]
fn what_makes_sense_for_datagrams_alone_is_refused() {
    for (kind, value) in [
        (AttributeType::DONT_FRAGMENT, &[][..]),
        (AttributeType::EVEN_PORT, &[0]),
        (AttributeType::RESERVATION_TOKEN, &[0; 8]),
        (AttributeType::ADDITIONAL_ADDRESS_FAMILY, &[2, 0, 0, 0]),
        (AttributeType::MOBILITY_TICKET, &[]),
    ] {
        let (mut world, mut ann) = (World::new(with_tcp()), over(Transport::Tcp, 1, "ann"));
        let answer = world.call(&mut ann, Method::Allocate, |writer| {
            tcp(writer);
            writer.attribute(kind, value);
        });
        check(&world, &answer, 400, "conflicting_attributes");
    }
}

#[test]
fn each_kind_of_allocation_has_requests_of_its_own() {
    let (mut world, mut ann, _) = start();
    let answer = world.call(&mut ann, Method::ChannelBind, |writer| {
        writer
            .number(AttributeType::CHANNEL_NUMBER, 0x4000 << 16)
            .xor_address(AttributeType::XOR_PEER_ADDRESS, PEER.parse().unwrap());
    });
    check(&world, &answer, 437, "wrong_transport");
    world.permit(&mut ann, PEER);
    assert_eq!(world.send(&mut ann, PEER, b"x"), Verdict::Nothing);

    let (mut world, mut bob) = (World::new(with_tcp()), over(Transport::Tcp, 1, "bob"));
    assert_eq!(
        refused_connect(&mut world, &mut bob, PEER).code,
        437,
        "no allocation"
    );
    assert_eq!(world.call(&mut bob, Method::Allocate, udp).code, 0);
    let answer = refused_connect(&mut world, &mut bob, PEER);
    check(&world, &answer, 437, "wrong_transport");
}

#[test]
fn a_peer_to_which_no_connection_may_be_made() {
    let (mut world, mut ann, _) = start();
    let answer = world.call(&mut ann, Method::Connect, |_| {});
    check(&world, &answer, 400, "missing_peer");
    for port in [22, 80, 4999, 5010] {
        let answer = refused_connect(&mut world, &mut ann, &format!("8.8.8.8:{port}"));
        check(&world, &answer, 403, "peer_port_forbidden");
    }
    for ip in ["127.0.0.1", "10.0.0.1", "169.254.169.254", "0.0.0.0", RELAY_V4] {
        let answer = refused_connect(&mut world, &mut ann, &format!("{ip}:5000"));
        check(&world, &answer, 403, "peer_forbidden");
    }
    for peer in [
        LISTENER,
        "[::1]:5000",
        "[::ffff:127.0.0.1]:5000",
        "[fe80::1]:5000",
    ] {
        assert_eq!(refused_connect(&mut world, &mut ann, peer).code, 403, "{peer}");
    }
    let answer = refused_connect(&mut world, &mut ann, PEER_V6);
    check(&world, &answer, 443, "peer_family");
    // Another client's relayed address is a peer like any other.
    connect(&mut world, &mut ann, &format!("{RELAY_V4}:50001"));
}

#[test]
fn a_connection_that_exists_is_not_made_again() {
    let (mut world, mut ann, _) = start();
    let connection = connect(&mut world, &mut ann, PEER);
    let answer = refused_connect(&mut world, &mut ann, PEER);
    check(&world, &answer, 446, "connection_exists");
    world.server.handle_connected(connection, true, world.now());
    told(&mut world, &ann);
    assert_eq!(refused_connect(&mut world, &mut ann, PEER).code, 446);
    connect(&mut world, &mut ann, "8.8.8.8:5001");
}

#[test]
fn a_peer_that_does_not_accept() {
    let (mut world, mut ann, _) = start();
    let connection = connect(&mut world, &mut ann, PEER);
    world.server.handle_connected(connection, false, world.now());
    let answer = Answer::read(&told(&mut world, &ann)).unwrap();
    check(&world, &answer, 447, "connection_failed");
    assert_eq!(world.disconnected, [connection]);
    connect(&mut world, &mut ann, PEER);
}

#[test]
fn a_peer_that_says_nothing_for_thirty_seconds() {
    let (mut world, mut ann, _) = start();
    let connection = connect(&mut world, &mut ann, PEER);
    world.advance(29);
    world.elapsed += Duration::from_secs(1);
    world.server.handle_timeout(world.now());
    let answer = Answer::read(&told(&mut world, &ann)).unwrap();
    check(&world, &answer, 447, "connection_timeout");
    assert_eq!(world.disconnected, [connection]);
    world.server.handle_connected(connection, true, world.now());
    assert!(world.settle().is_empty(), "too late");
}

#[test]
fn a_client_that_does_not_bring_a_number_for_thirty_seconds() {
    let (mut world, mut ann, relay) = start();
    world.permit(&mut ann, PEER);
    let (first, number) = connected(&mut world, &mut ann, PEER);
    let peer = PeerAddr("8.8.8.8:7".parse().unwrap());
    let second = world.server.handle_incoming(relay, peer, world.now()).unwrap();
    told(&mut world, &ann);
    world.advance(29);
    assert!(world.disconnected.is_empty());
    world.advance(1);
    world.disconnected.sort_unstable();
    let mut both = [first, second];
    both.sort_unstable();
    assert_eq!(world.disconnected, both);
    let answer = bind(&mut world, &mut over(Transport::Tcp, 2, "ann"), number);
    check(&world, &answer, 400, "bad_connection");
}

#[test]
fn a_number_that_is_missing_unknown_taken_or_somebody_elses() {
    let (mut world, mut ann, _) = start();
    let (_, number) = connected(&mut world, &mut ann, PEER);
    let mut data = over(Transport::Tcp, 2, "ann");
    let answer = world.call(&mut data, Method::ConnectionBind, |_| {});
    check(&world, &answer, 400, "bad_connection");
    assert_eq!(bind(&mut world, &mut data, number ^ 1).code, 400);
    let answer = bind(&mut world, &mut over(Transport::Tcp, 3, "bob"), number);
    check(&world, &answer, 441, "wrong_credentials");
    let answer = bind(&mut world, &mut ann, number);
    check(&world, &answer, 400, "control_connection");
    assert!(world.spliced.is_empty());
    assert_eq!(bind(&mut world, &mut data, number).code, 0);
    assert_eq!(
        bind(&mut world, &mut over(Transport::Tcp, 4, "ann"), number).code,
        400
    );
}

#[test]
fn so_many_connections_and_no_more() {
    for (of_one, of_all) in [(2, 100), (100, 2)] {
        let mut config = with_tcp();
        config.limits.connections = of_one;
        config.limits.all_connections = of_all;
        let (mut world, mut ann, relay) = start_with(config);
        world.permit(&mut ann, PEER);
        let first = connect(&mut world, &mut ann, "8.8.8.8:5000");
        connect(&mut world, &mut ann, "8.8.8.8:5001");
        let answer = refused_connect(&mut world, &mut ann, "8.8.8.8:5002");
        check(&world, &answer, 508, "connection_quota");
        let peer = PeerAddr("8.8.8.8:7".parse().unwrap());
        assert_eq!(world.server.handle_incoming(relay, peer, world.now()), None);
        world.server.handle_connection_ended(first);
        assert!(world.server.handle_incoming(relay, peer, world.now()).is_some());
    }
}

#[test]
fn a_connection_carries_what_the_rates_leave_and_waits_with_the_rest() {
    for identity in [false, true] {
        let mut config = with_tcp();
        config.limits.bits_per_second = (!identity).then_some(80_000);
        let mut world = World::new(config);
        world.ledger = Ledger::new(10, 10).with_rates(IdentityRates {
            bits_per_second: identity.then_some(80_000),
            packets_per_second: None,
        });
        let mut ann = over(Transport::Tcp, 1, "ann");
        assert_eq!(world.call(&mut ann, Method::Allocate, tcp).code, 0);
        let (connection, _) = connected(&mut world, &mut ann, PEER);
        let mut sum = 0;
        for _ in 0..100 {
            sum += world
                .server
                .carry(connection, Direction::ToClient, 16_384, world.elapsed);
        }
        assert!(
            (9_700..=10_000).contains(&sum),
            "{sum}: a second's worth is 10,000 bytes"
        );
        world.elapsed += Duration::from_millis(100);
        let more = world
            .server
            .carry(connection, Direction::FromClient, 16_384, world.elapsed);
        assert!((500..=1_300).contains(&more), "{more}");
    }
}

#[test]
fn a_number_of_another_shard_is_asked_for_there() {
    let shard = |index| Config {
        shard: Shard { index, count: 2 },
        ..with_tcp()
    };
    let (mut here, _) = (World::new(shard(0)), ());
    let (mut there, mut ann, _) = start_with(shard(1));
    let (_, number) = connected(&mut there, &mut ann, PEER);
    let mut data = over(Transport::Tcp, 2, "ann");
    let request = data.turn.request(Method::ConnectionBind, |writer| {
        writer.number(AttributeType::CONNECTION_ID, number);
    });
    let (verdict, replies) = here.hand(data.at, &request);
    assert_eq!((verdict, replies.len()), (Verdict::ToOwner { shard: 1 }, 0));
    assert_eq!(bind(&mut there, &mut data, number).code, 0);
}

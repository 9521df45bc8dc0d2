//! Packets that nobody may fragment: the bit on the wire, and routers that they are too big for. Needs root, as
//! kit/lab/setup.sh does.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a test's helpers fail as the test does"
)]

use std::io::Read;
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::time::Duration;

use socket2::{Domain, Protocol, Socket, Type};
use trefoil_relay::{Relay, RelayConfig, Secret};
use trefoil_stun::{AttributeType, Class, Message, Method, Writer};
use trefoil_testkit::{Answer, TurnClient};

const PATIENCE: Duration = Duration::from_secs(10);

fn ask(
    socket: &UdpSocket,
    client: &mut TurnClient,
    method: Method,
    fill: impl Fn(&mut Writer<'_>),
) -> Answer {
    loop {
        socket.send(&client.request(method, &fill)).unwrap();
        let mut buffer = [0; 1024];
        let length = socket.recv(&mut buffer).unwrap();
        let answer = Answer::read(&buffer[..length]).unwrap();
        if !client.learn(&answer) {
            assert_eq!(answer.code, 0);
            return answer;
        }
    }
}

fn send(socket: &UdpSocket, client: &mut TurnClient, peer: SocketAddr, data: &[u8], dont_fragment: bool) {
    let mut buffer = [0; 512];
    let transaction = client.transaction();
    let mut writer = Writer::new(&mut buffer, Class::Indication, Method::Send, transaction);
    writer.xor_address(AttributeType::XOR_PEER_ADDRESS, peer);
    if dont_fragment {
        writer.attribute(AttributeType::DONT_FRAGMENT, &[]);
    }
    let length = writer.attribute(AttributeType::DATA, data).finish().unwrap();
    socket.send(&buffer[..length]).unwrap();
}

/// The don't-fragment bit of the datagram that carries `data` to `peer`.
fn bit_of(wire: &mut Socket, peer: SocketAddr, data: &[u8]) -> bool {
    let mut packet = [0; 2048];
    loop {
        let length = wire.read(&mut packet).expect("the datagram does not come");
        let (header, rest) = packet[..length].split_at(usize::from(packet[0] & 0x0F) * 4);
        if rest[2..4] == peer.port().to_be_bytes() && &rest[8..] == data {
            return header[6] & 0x40 != 0;
        }
    }
}

/// A relay with one thread, a client with an allocation and a permission for `peer`, and its relayed address.
fn start(peer: SocketAddr) -> (Relay, UdpSocket, TurnClient, SocketAddr) {
    let relay = Relay::start(RelayConfig {
        listen: vec!["127.0.0.1:0".parse().unwrap()],
        users: [("ann".to_owned(), Secret::new("north"))].into(),
        allow_peers: vec!["127.0.0.2/32".to_owned()],
        threads: 1,
        port_range: "61000-65535".parse().unwrap(),
        ..RelayConfig::default()
    })
    .unwrap();
    let (socket, mut client) = (
        UdpSocket::bind("127.0.0.1:0").unwrap(),
        TurnClient::new("ann", "north"),
    );
    socket.connect(relay.listening()[0]).unwrap();
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    let answer = ask(&socket, &mut client, Method::Allocate, |writer| {
        writer.attribute(AttributeType::REQUESTED_TRANSPORT, &[17, 0, 0, 0]);
    });
    let relayed = answer.address(AttributeType::XOR_RELAYED_ADDRESS).unwrap();
    ask(&socket, &mut client, Method::CreatePermission, |writer| {
        writer.xor_address(AttributeType::XOR_PEER_ADDRESS, peer);
    });
    (relay, socket, client, relayed)
}

fn raw(protocol: Protocol) -> Socket {
    let socket = Socket::new(Domain::IPV4, Type::RAW, Some(protocol));
    socket.expect("a raw socket needs root or CAP_NET_RAW")
}

/// What a router says that could not send a datagram on because the next link takes `mtu` bytes.
fn too_big(from: SocketAddr, to: SocketAddr, mtu: u16) -> Vec<u8> {
    let octets = |address: SocketAddr| match address.ip() {
        IpAddr::V4(ip) => ip.octets(),
        IpAddr::V6(_) => [0; 4],
    };
    let mut message = vec![3, 4, 0, 0, 0, 0];
    message.extend(mtu.to_be_bytes());
    // The head of the datagram: IPv4 without options, UDP.
    message.extend([0x45, 0, 5, 0xDC, 0, 1, 0x40, 0, 64, 17, 0, 0]);
    message.extend([octets(from), octets(to)].concat());
    message.extend([from.port(), to.port(), 1480, 0].map(u16::to_be_bytes).concat());
    let sum: u32 = message
        .chunks(2)
        .map(|two| u32::from(u16::from_be_bytes([two[0], two[1]])))
        .sum();
    let folded = (sum & 0xFFFF) + (sum >> 16);
    let checksum = !u16::try_from((folded & 0xFFFF) + (folded >> 16)).unwrap();
    message[2..4].copy_from_slice(&checksum.to_be_bytes());
    message
}

#[test]
fn the_bit_is_set_where_the_client_asks_for_it_and_nowhere_else() {
    let listening = UdpSocket::bind("127.0.0.2:0").unwrap();
    let peer = listening.local_addr().unwrap();
    let (_relay, socket, mut client, _) = start(peer);
    let mut wire = raw(Protocol::UDP);
    wire.bind(&SocketAddr::new(peer.ip(), 0).into()).unwrap();
    wire.set_read_timeout(Some(PATIENCE)).unwrap();
    for (data, dont_fragment) in [(b"one", false), (b"two", true), (b"six", false), (b"ten", true)] {
        send(&socket, &mut client, peer, data, dont_fragment);
        assert_eq!(bit_of(&mut wire, peer, data), dont_fragment);
    }
    // And on a channel, whose messages cannot ask for it.
    ask(&socket, &mut client, Method::ChannelBind, |writer| {
        writer
            .number(AttributeType::CHANNEL_NUMBER, 0x4000 << 16)
            .xor_address(AttributeType::XOR_PEER_ADDRESS, peer);
    });
    socket.send(b"\x40\x00\x00\x03end").unwrap();
    assert!(!bit_of(&mut wire, peer, b"end"));
}

#[test]
fn a_router_that_could_not_send_a_packet_on_is_heard_by_the_client() {
    let listening = UdpSocket::bind("127.0.0.2:0").unwrap();
    let peer = listening.local_addr().unwrap();
    let (_relay, socket, mut client, relayed) = start(peer);
    // Whether or not the client has asked for the bit just before.
    for dont_fragment in [false, true] {
        send(&socket, &mut client, peer, b"data", dont_fragment);
        listening.recv(&mut [0; 16]).unwrap();
        let report = too_big(relayed, peer, 1400);
        let to = SocketAddr::new(relayed.ip(), 0);
        raw(Protocol::ICMPV4).send_to(&report, &to.into()).unwrap();
        let mut buffer = [0; 1024];
        let length = socket.recv(&mut buffer).unwrap();
        let message = Message::parse(&buffer[..length]).unwrap();
        assert_eq!(message.method(), Method::Data);
        assert_eq!(message.xor_address(AttributeType::XOR_PEER_ADDRESS), Some(peer));
        let icmp = [0, 0, 3 << 1, 4, 0, 0, 5, 0x78];
        assert_eq!(message.first(AttributeType::ICMP), Some(&icmp[..]));
    }
}

//! Batches over real sockets on the loopback interface.

#![allow(clippy::unwrap_used, reason = "a test's helpers fail as the test does")]

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use trefoil_net::{Batch, Poller, Received, SocketOptions, UdpSocket};

fn bind(address: &str) -> UdpSocket {
    UdpSocket::bind(address.parse().unwrap(), SocketOptions::default()).unwrap()
}

/// Receives until `count` datagrams have come; fails after five seconds.
fn receive(batch: &mut Batch, socket: &UdpSocket, count: u64) -> Vec<Received> {
    let mut poller = Poller::new().unwrap();
    poller.add(socket, 0).unwrap();
    let mut all: Vec<Received> = Vec::new();
    while all.iter().map(Received::count).sum::<u64>() < count {
        assert_ne!(
            poller.wait(Some(Duration::from_secs(5))).unwrap(),
            0,
            "no more came than {all:?}"
        );
        let slots = batch.receive(socket, 16).unwrap();
        all.extend(slots.map(|slot| batch.received(slot).unwrap()));
    }
    all
}

fn payloads(batch: &Batch, received: &[Received]) -> Vec<Vec<u8>> {
    let spans = received.iter().flat_map(Received::segments);
    spans.map(|span| batch.bytes(span).to_vec()).collect()
}

const LOOPBACK: IpAddr = IpAddr::V4(std::net::Ipv4Addr::LOCALHOST);

#[test]
fn a_run_of_equal_datagrams_and_a_shorter_last_one_arrive_as_they_were() {
    for address in ["127.0.0.1:0", "[::1]:0"] {
        let (from, to) = (bind(address), bind(address));
        let (mut sender, mut receiver) = (Batch::new(), Batch::new());
        let expected: Vec<Vec<u8>> = (0..130u8)
            .map(|number| vec![number; if number == 70 { 30 } else { 100 }])
            .collect();
        for bytes in &expected {
            sender.send_bytes(from.source(from.local().ip()), to.local(), bytes);
        }
        sender.flush();
        assert_eq!((sender.sums().sent, sender.sums().dropped), (130, 0));
        assert!(
            sender.sums().calls < 10,
            "a run is one system call: {:?}",
            sender.sums()
        );
        let received = receive(&mut receiver, &to, 130);
        assert!(
            received
                .iter()
                .all(|one| one.from == from.local() && one.local.is_none())
        );
        assert_eq!(payloads(&receiver, &received), expected);
    }
}

#[test]
fn a_header_goes_before_received_bytes_in_place_or_beside_them() {
    let (client, relay) = (bind("127.0.0.1:0"), bind("127.0.0.1:0"));
    let (mut outside, mut batch) = (Batch::new(), Batch::new());
    for bytes in [b"abcdef", b"ghijkl"] {
        outside.send_bytes(client.source(LOOPBACK), relay.local(), bytes);
    }
    outside.flush();
    let received = receive(&mut batch, &relay, 2);
    let spans: Vec<_> = received.iter().flat_map(Received::segments).collect();
    let source = relay.source(LOOPBACK);
    batch.send_framed(source, client.local(), b"HEAD", spans[1].clone(), 2);
    batch.send_headed(source, client.local(), b"head", spans[0].clone());
    batch.flush();
    let back = receive(&mut outside, &client, 2);
    let mut got = payloads(&outside, &back);
    got.sort();
    assert_eq!(got, [b"HEADghijkl\0\0".to_vec(), b"headabcdef".to_vec()]);
}

#[test]
fn an_answer_leaves_from_the_address_that_was_asked() {
    let (client, server) = (bind("127.0.0.1:0"), bind("0.0.0.0:0"));
    let (mut outside, mut batch) = (Batch::new(), Batch::new());
    let asked: IpAddr = "127.0.0.77".parse().unwrap();
    let to = SocketAddr::new(asked, server.local().port());
    outside.send_bytes(client.source(LOOPBACK), to, b"who");
    outside.flush();
    let question = receive(&mut batch, &server, 1).remove(0);
    assert_eq!(question.local, Some(asked));
    batch.send(server.source(asked), question.from, question.span);
    batch.flush();
    let answer = receive(&mut outside, &client, 1).remove(0);
    assert_eq!(answer.from, to);
}

#[test]
fn a_refused_datagram_does_not_hold_up_the_others() {
    let (from, to) = (bind("127.0.0.1:0"), bind("127.0.0.1:0"));
    let (mut sender, mut receiver) = (Batch::new(), Batch::new());
    let source = from.source(LOOPBACK);
    sender.send_bytes(source, to.local(), b"one");
    sender.send_bytes(source, "[::1]:9".parse().unwrap(), b"wrong family");
    sender.send_bytes(source, to.local(), b"two");
    sender.flush();
    assert_eq!((sender.sums().sent, sender.sums().dropped), (2, 1));
    let received = receive(&mut receiver, &to, 2);
    assert_eq!(payloads(&receiver, &received), [b"one", b"two"]);
}

#[test]
fn more_than_fits_is_sent_in_between() {
    let (from, to) = (bind("127.0.0.1:0"), bind("127.0.0.1:0"));
    let (mut sender, mut receiver) = (Batch::new(), Batch::new());
    let mut seen = 0;
    for round in 0..20u8 {
        for _ in 0..60 {
            sender.send_bytes(from.source(LOOPBACK), to.local(), &[round; 1200]);
        }
        sender.flush();
        receiver.make_room(64);
        let received = receive(&mut receiver, &to, 60);
        assert!(
            payloads(&receiver, &received)
                .iter()
                .all(|bytes| *bytes == [round; 1200])
        );
        seen += received.iter().map(Received::count).sum::<u64>();
        receiver.flush();
    }
    assert_eq!(seen, 1200);
}

#[test]
fn what_must_not_be_fragmented_is_refused_where_it_does_not_fit() {
    // Only IPv6 can send more than loopback carries at once.
    let (from, to) = (bind("[::1]:0"), bind("[::1]:0"));
    let data = vec![7; 65_527];
    let mut batch = Batch::new();
    for (dont_fragment, sent) in [(false, 1), (true, 1), (false, 2)] {
        from.set_dont_fragment(dont_fragment).unwrap();
        batch.send_bytes(from.source(from.local().ip()), to.local(), &data);
        batch.flush();
        assert_eq!(batch.sums().sent, sent, "{dont_fragment}");
    }
    assert_eq!(batch.sums().dropped, 1);
}

/// On a path that carries less, what is larger still arrives: fragmented, alone and in a run.
#[test]
fn what_does_not_fit_a_path_is_fragmented() {
    const INSIDE: &str = "TREFOIL_TEST_SMALL_PATH";
    if std::env::var_os(INSIDE).is_none() {
        // Once more, where loopback carries 1000 bytes at once.
        let script =
            "ip link set lo mtu 1000 up && exec \"$0\" --exact what_does_not_fit_a_path_is_fragmented";
        let done = std::process::Command::new("unshare")
            .args(["--net", "--map-root-user", "sh", "-c", script])
            .arg(std::env::current_exe().unwrap())
            .env(INSIDE, "1")
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&done.stdout);
        assert!(done.status.success() && said.contains("1 passed"), "{done:?}");
        return;
    }
    let (from, to) = (bind("127.0.0.1:0"), bind("127.0.0.1:0"));
    let (mut sender, mut receiver) = (Batch::new(), Batch::new());
    for _ in 0..2 {
        for length in [1200, 1200, 900] {
            sender.send_bytes(from.source(LOOPBACK), to.local(), &vec![1; length]);
        }
        sender.flush();
    }
    let received = receive(&mut receiver, &to, 6);
    let lengths: Vec<_> = payloads(&receiver, &received)
        .iter()
        .map(|bytes| bytes.len())
        .collect();
    assert_eq!(lengths, [1200, 1200, 900, 1200, 1200, 900]);
    assert_eq!(sender.sums().dropped, 0);
}

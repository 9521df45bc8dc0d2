//! Two clients behind NATs, the machine between them, and a network that loses and delays.

use std::net::SocketAddr;
use std::time::Duration;

use trefoil_stun::{AttributeType, ChannelData, Method, Writer, channel_header};
use trefoil_testkit::{Answer, Link, Nat, Network, Seed, TurnClient};
use trefoil_turn::{ClientAddr, Framing, Transport, Verdict};

use crate::world::{LISTENER, World, config, udp};

const RETRY: Duration = Duration::from_millis(500);
const PATIENCE: Duration = Duration::from_secs(30);
const CHANNEL: u16 = 0x4000;
const ROUGH: Link = Link {
    delay: Duration::from_millis(40),
    jitter: Duration::from_millis(30),
    loss_percent: 20,
};

/// Somebody behind a NAT.
struct Caller {
    inside: SocketAddr,
    turn: TurnClient,
    /// Answers and application data that arrived, in order.
    answers: Vec<Answer>,
    heard: Vec<Vec<u8>>,
}

struct Lab {
    network: Network,
    world: World,
    callers: [Caller; 2],
}

impl Lab {
    fn new(nats: [Nat; 2], link: Link, seed: u64) -> Lab {
        let mut network = Network::new(link, Seed::from_environment(seed));
        let caller = |inside: &str, name: &str, word: &str| Caller {
            inside: inside.parse().unwrap(),
            turn: TurnClient::new(name, word),
            answers: Vec::new(),
            heard: Vec::new(),
        };
        let callers = [
            caller("192.168.1.2:5000", "ann", "north"),
            caller("192.168.2.2:5000", "bob", "south"),
        ];
        for (nat, caller) in nats.into_iter().zip(&callers) {
            network.put_behind(nat, [caller.inside.ip()]);
        }
        Lab {
            network,
            world: World::new(config()),
            callers,
        }
    }

    /// Lets everything that arrives before `until` happen.
    fn run(&mut self, until: Duration) {
        while let Some(datagram) = self.network.next_arrival(until) {
            self.world.elapsed = Duration::from_secs(1000) + self.network.now();
            if datagram.to == LISTENER.parse().unwrap() {
                self.at_server(datagram.from, &datagram.bytes);
            } else if let Some(caller) = self
                .callers
                .iter_mut()
                .find(|caller| caller.inside == datagram.to)
            {
                match (ChannelData::parse(&datagram.bytes), Answer::read(&datagram.bytes)) {
                    (Some(data), _) => caller.heard.push(datagram.bytes[data.data].to_vec()),
                    (None, Some(answer)) => caller.answers.push(answer),
                    (None, None) => caller.heard.push(datagram.bytes),
                }
            }
        }
    }

    fn at_server(&mut self, from: SocketAddr, bytes: &[u8]) {
        let listener: SocketAddr = LISTENER.parse().unwrap();
        let client = ClientAddr {
            transport: Transport::Udp,
            local: listener,
            remote: from,
        };
        let (verdict, replies) = self.world.hand(client, bytes);
        for (to, bytes) in replies {
            self.network.send(listener, to.remote, &bytes);
        }
        match verdict {
            Verdict::Nothing => {}
            Verdict::ToClient {
                client,
                framing: Framing::Channel(channel),
                data,
            } => {
                let head = channel_header(channel.get(), u16::try_from(data.len()).unwrap());
                self.network
                    .send(listener, client.remote, &[&head, &bytes[data]].concat());
            }
            other => panic!("relay to relay never leaves the machine: {other:?}"),
        }
    }

    /// Asks until an answer comes, meeting challenges; sends the same request again as a real client does.
    fn ask(&mut self, who: usize, method: Method, fill: impl Fn(&mut Writer<'_>)) -> Answer {
        let listener: SocketAddr = LISTENER.parse().unwrap();
        let end = self.network.now() + PATIENCE;
        let mut request = self.callers[who].turn.request(method, &fill);
        while self.network.now() < end {
            self.callers[who].answers.clear();
            self.network.send(self.callers[who].inside, listener, &request);
            self.run(self.network.now() + RETRY);
            let answers = std::mem::take(&mut self.callers[who].answers);
            if let Some(answer) = answers
                .into_iter()
                .find(|answer| answer.bytes[8..20] == request[8..20])
            {
                if !self.callers[who].turn.learn(&answer) {
                    return answer;
                }
                request = self.callers[who].turn.request(method, &fill);
            }
        }
        panic!(
            "{method:?} of {who} got no answer within {PATIENCE:?}; {}",
            self.network.again()
        );
    }

    fn succeed(&mut self, who: usize, method: Method, fill: impl Fn(&mut Writer<'_>)) -> Answer {
        let answer = self.ask(who, method, fill);
        assert_eq!(answer.code, 0, "{method:?} of {who}; {}", self.network.again());
        answer
    }
}

fn outside(last: u8) -> std::net::IpAddr {
    [198, 51, 100, last].into()
}

#[test]
fn a_call_between_two_symmetric_nats_gets_through_a_lossy_network_by_the_relay() {
    for seed in 0..20 {
        let mut lab = Lab::new(
            [Nat::symmetric(outside(1)), Nat::symmetric(outside(2))],
            ROUGH,
            seed,
        );
        let relayed = [0, 1].map(|who| {
            let answer = lab.succeed(who, Method::Allocate, udp);
            answer.address(AttributeType::XOR_RELAYED_ADDRESS).unwrap()
        });
        for who in [0, 1] {
            lab.succeed(who, Method::ChannelBind, |writer| {
                writer.number(AttributeType::CHANNEL_NUMBER, u32::from(CHANNEL) << 16);
                writer.xor_address(AttributeType::XOR_PEER_ADDRESS, relayed[1 - who]);
            });
        }
        assert_eq!(
            lab.world.server.allocations(),
            2,
            "a request that is sent again makes nothing new"
        );
        for number in 0..100u8 {
            for who in [0, 1] {
                let packet = [&channel_header(CHANNEL, 2)[..], &[number, who as u8]].concat();
                lab.network
                    .send(lab.callers[who].inside, LISTENER.parse().unwrap(), &packet);
            }
            lab.run(lab.network.now() + Duration::from_millis(20));
        }
        lab.run(lab.network.now() + Duration::from_secs(1));
        for who in [0, 1] {
            let heard = &lab.callers[who].heard;
            assert!(
                heard
                    .iter()
                    .all(|data| data.len() == 2 && data[1] == 1 - who as u8),
                "{}",
                lab.network.again()
            );
            // Two links of 20 % loss each let 64 of 100 through.
            assert!(
                (45..=82).contains(&heard.len()),
                "{} of 100; {}",
                heard.len(),
                lab.network.again()
            );
        }
    }
}

#[test]
fn two_cones_reach_each_other_directly_by_the_addresses_that_stun_told_them() {
    let still = Link {
        loss_percent: 0,
        jitter: Duration::ZERO,
        ..ROUGH
    };
    let mut lab = Lab::new([Nat::cone(outside(1)), Nat::cone(outside(2))], still, 1);
    let mapped = [0, 1].map(|who| {
        let answer = lab.succeed(who, Method::Binding, |_| {});
        answer.address(AttributeType::XOR_MAPPED_ADDRESS).unwrap()
    });
    assert_eq!(mapped.map(|address| address.ip()), [outside(1), outside(2)]);
    // The first one opens a way in for the other's; the second round arrives on both sides.
    for _ in 0..2 {
        for who in [0, 1] {
            lab.network
                .send(lab.callers[who].inside, mapped[1 - who], b"?hello");
        }
        lab.run(lab.network.now() + Duration::from_secs(1));
    }
    assert!(lab.callers.iter().all(|caller| !caller.heard.is_empty()));
}

#[test]
fn two_symmetric_nats_let_nothing_through_directly() {
    let still = Link {
        loss_percent: 0,
        jitter: Duration::ZERO,
        ..ROUGH
    };
    let mut lab = Lab::new([Nat::symmetric(outside(1)), Nat::symmetric(outside(2))], still, 1);
    let mapped = [0, 1].map(|who| {
        let answer = lab.succeed(who, Method::Binding, |_| {});
        answer.address(AttributeType::XOR_MAPPED_ADDRESS).unwrap()
    });
    for _ in 0..5 {
        for who in [0, 1] {
            lab.network
                .send(lab.callers[who].inside, mapped[1 - who], b"?hello");
        }
        lab.run(lab.network.now() + Duration::from_secs(1));
    }
    assert!(lab.callers.iter().all(|caller| caller.heard.is_empty()));
}

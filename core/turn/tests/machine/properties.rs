//! Any history: the machine and the model (`model`) say the same of every request and every packet.

use std::net::SocketAddr;

use trefoil_stun::{AttributeType, Method, Writer};
use trefoil_testkit::{Answer, Seed};
use trefoil_turn::{ClientAddr, Framing, Ledger, Verdict};

use crate::model::{Delivered, Model, Name, Went};
use crate::world::{Client, World, client, config, udp};

const CLIENTS: Name = 4;
const STEPS: usize = 150;
const HISTORIES: u64 = 300;
/// Two addresses, one of them with two ports.
const PEERS: [&str; 3] = ["8.8.8.8:5000", "8.8.8.8:5001", "8.8.4.4:5000"];
const CHANNELS: [u16; 3] = [0x4000, 0x4001, 0x7FFF];

struct Play {
    world: World,
    clients: Vec<Client>,
    model: Model,
    seed: Seed,
    /// What has happened, for whoever must understand a failure.
    history: Vec<String>,
}

#[test]
fn the_machine_says_what_the_model_says_of_any_history() {
    let mut forwarded = 0;
    for number in 0..HISTORIES {
        let mut play = Play::new(Seed::from_environment(number));
        for _ in 0..STEPS {
            forwarded += u64::from(play.step());
        }
    }
    assert!(
        forwarded > HISTORIES * 10,
        "hardly anything was forwarded: {forwarded}"
    );
}

impl Play {
    fn new(seed: Seed) -> Play {
        let mut world = World::new(config());
        world.ledger = Ledger::new(100, 100);
        let model = Model::at(world.elapsed);
        Play {
            world,
            clients: (0..CLIENTS).map(|name| client(name, "ann")).collect(),
            model,
            seed,
            history: Vec::new(),
        }
    }

    /// One thing happens; whether data was forwarded.
    fn step(&mut self) -> bool {
        let name = Name::try_from(self.seed.below(CLIENTS.into())).unwrap();
        let (peer, channel) = (self.some_peer(), self.pick(&CHANNELS));
        let mut forwarded = false;
        match self.seed.below(30) {
            0..=3 => self.allocate(name),
            4 => self.refresh(name),
            5..=9 => self.permit(name, peer),
            10..=14 => self.bind(name, channel, peer),
            15..=19 => forwarded = self.channel_data(name, channel),
            20..=23 => forwarded = self.send(name, peer),
            24..=28 => forwarded = self.arrive(name, peer),
            _ => self.pass(),
        }
        let counts = (
            self.world.server.allocations(),
            self.world.ledger.sums().1 as usize,
        );
        self.agree(counts, (self.model.count(), self.model.count()));
        forwarded
    }

    fn pick<T: Copy>(&mut self, from: &[T]) -> T {
        let index = self.seed.below(from.len() as u64);
        from[usize::try_from(index).unwrap()]
    }

    /// Somebody outside, or the relayed address of a client.
    fn some_peer(&mut self) -> SocketAddr {
        let outside = self.pick(&PEERS).parse().unwrap();
        let name = Name::try_from(self.seed.below(CLIENTS.into())).unwrap();
        let relayed = self.model.relayed(name).filter(|_| self.seed.happens(40));
        relayed.unwrap_or(outside)
    }

    fn note(&mut self, what: &str) {
        self.history.push(format!("{:?} {what}", self.model.now));
    }

    fn agree<T: Copy + PartialEq + std::fmt::Debug>(&self, machine: T, model: T) {
        assert!(
            machine == model,
            "the machine says {machine:?}, the model {model:?}\n{}\n{}",
            self.history.join("\n"),
            self.seed.again()
        );
    }

    fn ask(&mut self, name: Name, method: Method, fill: impl Fn(&mut Writer<'_>)) -> Answer {
        let client = &mut self.clients[usize::from(name)];
        let answer = self.world.ask(client, method, &fill);
        // The nonce may be missing or have grown old.
        if client.turn.learn(&answer) {
            return self.world.ask(client, method, &fill);
        }
        answer
    }

    fn some_lifetime(&mut self) -> u32 {
        self.pick(&[1, 600, 700, 1000, 3600, 100_000])
    }

    fn allocate(&mut self, name: Name) {
        let asked = self.some_lifetime();
        self.note(&format!("allocate {name} {asked}"));
        let answer = self.ask(name, Method::Allocate, |writer| {
            udp(writer);
            writer.number(AttributeType::LIFETIME, asked);
        });
        let relayed = answer.address(AttributeType::XOR_RELAYED_ADDRESS);
        let expected = self.model.allocate(name, asked, relayed);
        self.agree(answer.code, expected);
    }

    fn refresh(&mut self, name: Name) {
        let some = self.some_lifetime();
        let asked = if self.seed.happens(30) { 0 } else { some };
        self.note(&format!("refresh {name} {asked}"));
        let answer = self.ask(name, Method::Refresh, |writer| {
            writer.number(AttributeType::LIFETIME, asked);
        });
        let expected = self.model.refresh(name, asked);
        self.agree(answer.code, expected);
    }

    fn permit(&mut self, name: Name, peer: SocketAddr) {
        self.note(&format!("permit {name} {peer}"));
        let answer = self.ask(name, Method::CreatePermission, |writer| {
            writer.xor_address(AttributeType::XOR_PEER_ADDRESS, peer);
        });
        let expected = self.model.permit(name, peer.ip());
        self.agree(answer.code, expected);
    }

    fn bind(&mut self, name: Name, channel: u16, peer: SocketAddr) {
        self.note(&format!("bind {name} {channel:#x} {peer}"));
        let answer = self.ask(name, Method::ChannelBind, |writer| {
            writer
                .number(AttributeType::CHANNEL_NUMBER, u32::from(channel) << 16)
                .xor_address(AttributeType::XOR_PEER_ADDRESS, peer);
        });
        let expected = self.model.bind(name, channel, peer);
        self.agree(answer.code, expected);
    }

    fn channel_data(&mut self, name: Name, channel: u16) -> bool {
        self.note(&format!("channel data {name} {channel:#x}"));
        let client = &self.clients[usize::from(name)];
        let verdict = self.world.channel_data(client, channel, b"data");
        self.check_went(&verdict, self.model.channel_data(name, channel))
    }

    fn send(&mut self, name: Name, peer: SocketAddr) -> bool {
        self.note(&format!("send {name} {peer}"));
        let client = &mut self.clients[usize::from(name)];
        let verdict = self.world.send(client, &peer.to_string(), b"data");
        self.check_went(&verdict, self.model.send(name, peer))
    }

    /// A peer sends to the relayed address of a client, if there is one.
    fn arrive(&mut self, name: Name, peer: SocketAddr) -> bool {
        let Some(relayed) = self.model.relayed(name) else {
            return false;
        };
        self.note(&format!("arrive {name} {peer}"));
        let verdict = self.world.arrive(relayed, &peer.to_string());
        let expected = self.model.arrive(relayed, peer).map_or(Went::Nowhere, Went::To);
        self.check_went(&verdict, expected)
    }

    fn check_went(&self, verdict: &Verdict, expected: Went) -> bool {
        let went = match verdict {
            Verdict::ToPeer { peer, .. } => Went::Out(peer.0),
            Verdict::ToClient { client, framing, .. } => Went::To(self.delivered(*client, *framing)),
            Verdict::Nothing => Went::Nowhere,
            Verdict::ToOwner { .. } | Verdict::ToShard { .. } => panic!("there is one shard"),
        };
        self.agree(went, expected);
        went != Went::Nowhere
    }

    fn delivered(&self, to: ClientAddr, framing: Framing) -> Delivered {
        let at = self.clients.iter().position(|client| client.at == to);
        let name = Name::try_from(at.unwrap()).unwrap();
        match framing {
            Framing::Channel(channel) => Delivered::Channel(name, channel.get()),
            Framing::Indication(peer) => Delivered::Indication(name, peer.0),
        }
    }

    /// Time passes: a little, or just to where something ends.
    fn pass(&mut self) {
        let ends = self.model.ends();
        let seconds = if ends.is_empty() || self.seed.happens(30) {
            self.pick(&[1, 7, 60, 299, 300, 301])
        } else {
            self.pick(&ends)
        };
        self.note(&format!("{seconds} s pass"));
        self.world.advance(seconds);
        self.model.now = self.world.elapsed;
    }
}

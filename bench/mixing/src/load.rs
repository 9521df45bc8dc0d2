//! Load for a mixer over plain RTP: people on loopback sockets who talk or listen, and what the server's CPU says of it.
//!
//! Prints one line of JSON: packets and bytes each received, the loudness of what the last one heard, CPU of the server for
//! each participant and frame, and with `pulse` how long a tone needs from packet to mix.

use std::{
    io::ErrorKind,
    net::{Ipv4Addr, UdpSocket},
    time::{Duration, Instant},
};

use anyhow::{Context, bail};
use trefoil_codec::Builtin;
use trefoil_mix::{Codec, Codecs, Decoder};

use crate::{cpu, room};

/// Before anything is counted.
const WARM_UP: Duration = Duration::from_secs(3);
const FRAME: Duration = Duration::from_millis(20);
/// Who only listens must have sent something, or Janus sends them nothing.
const HELLO: usize = 20;
const HEADER: usize = 12;
/// A decoded frame louder than this holds the tone.
const LOUD: f32 = 0.05;
/// Frames between two tones.
const PULSE: usize = 25;

/// What to do: where the server's ports stand, our first port, who talks for how long, and the server's process.
struct Order {
    ports: Vec<u16>,
    base: u16,
    talk: usize,
    seconds: u64,
    pid: u32,
    pulse: bool,
}

struct Person {
    socket: UdpSocket,
    packets: u64,
    bytes: u64,
}

/// Arguments: file with ports, our first port, talkers, seconds, process, `pulse` or nothing.
pub(crate) fn run(arguments: &[String]) -> anyhow::Result<String> {
    let [ports, base, talk, seconds, pid, rest @ ..] = arguments else {
        bail!("load PORTS BASE TALK SECONDS PID [pulse]");
    };
    let ports = std::fs::read_to_string(ports).context("the file with the server's ports")?;
    let order = Order {
        ports: ports
            .split_whitespace()
            .map(str::parse)
            .collect::<Result<_, _>>()?,
        base: base.parse()?,
        talk: talk.parse()?,
        seconds: seconds.parse()?,
        pid: pid.parse()?,
        pulse: rest.first().is_some_and(|word| word == "pulse"),
    };
    order.run()
}

impl Order {
    fn run(&self) -> anyhow::Result<String> {
        let mut people = Vec::new();
        for (at, port) in self.ports.iter().enumerate() {
            let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, self.base + 2 * at as u16))?;
            socket.connect((Ipv4Addr::LOCALHOST, *port))?;
            socket.set_nonblocking(true)?;
            people.push(Person {
                socket,
                packets: 0,
                bytes: 0,
            });
        }
        let said = if self.pulse {
            room::pulses(PULSE)
        } else {
            room::packets()
        };
        let (mut ear, start) = (Ear::new(), Instant::now());
        let (mut frame, mut counting, mut before) = (0_usize, false, 0);
        while start.elapsed() < WARM_UP + Duration::from_secs(self.seconds) {
            if !counting && start.elapsed() >= WARM_UP {
                counting = true;
                before = cpu::of_process(self.pid)?;
                people
                    .iter_mut()
                    .for_each(|person| (person.packets, person.bytes) = (0, 0));
                ear.delays.clear();
            }
            if start.elapsed() >= FRAME * frame as u32 {
                self.talk(&people, &said, frame)?;
                if self.pulse && frame.is_multiple_of(PULSE) {
                    ear.sent = Some(Instant::now());
                }
                frame += 1;
            }
            listen(&mut people, &mut ear)?;
            std::thread::sleep(Duration::from_micros(if self.pulse { 200 } else { 1000 }));
        }
        let spent = cpu::of_process(self.pid)? - before;
        Ok(self.report(&people, &mut ear, spent))
    }

    /// Everybody's packet of this frame.
    fn talk(&self, people: &[Person], said: &[room::Said], frame: usize) -> anyhow::Result<()> {
        for (at, person) in people.iter().enumerate() {
            if at >= self.talk && frame >= HELLO {
                break;
            }
            let offset = if self.pulse { 0 } else { at * 37 };
            let (payload, _) = said
                .get((frame + offset) % said.len())
                .context("there is something to say")?;
            let mut packet = vec![0x80, 100];
            packet.extend((frame as u16).to_be_bytes());
            packet.extend((frame as u32 * 960).to_be_bytes());
            packet.extend((0x1000 + at as u32).to_be_bytes());
            packet.extend(payload);
            person
                .socket
                .send(&packet)
                .context("nobody listens at the server's port")?;
        }
        Ok(())
    }

    fn report(&self, people: &[Person], ear: &mut Ear, spent: u64) -> String {
        let count = people.len() as f64;
        let frames = self.seconds as f64 * 50.0;
        let packets: u64 = people.iter().map(|person| person.packets).sum();
        let bytes: u64 = people.iter().map(|person| person.bytes).sum();
        let least = people.iter().map(|person| person.packets).min().unwrap_or(0);
        ear.delays.sort_by(f64::total_cmp);
        let median = ear.delays.get(ear.delays.len() / 2).copied().unwrap_or(-1.0);
        format!(
            "{{\"us\": {:.2}, \"received\": {:.3}, \"least\": {:.3}, \"kbit\": {:.1}, \"heard_db\": {:.1}, \"delay_ms\": {median:.1}}}",
            spent as f64 / 1000.0 / frames / count,
            packets as f64 / frames / count,
            least as f64 / frames,
            bytes as f64 * 8.0 / 1000.0 / self.seconds as f64 / count,
            10.0 * (ear.power / ear.frames.max(1.0)).max(1e-12).log10(),
        )
    }
}

/// What the last person hears.
struct Ear {
    decoder: <Builtin as Codecs>::Decoder,
    samples: Vec<f32>,
    power: f64,
    frames: f64,
    was_loud: bool,
    sent: Option<Instant>,
    delays: Vec<f64>,
}

impl Ear {
    fn new() -> Self {
        Self {
            decoder: Builtin.decoder(Codec::Opus),
            samples: Vec::new(),
            power: 0.0,
            frames: 0.0,
            was_loud: true,
            sent: None,
            delays: Vec::new(),
        }
    }

    fn hear(&mut self, payload: &[u8]) -> anyhow::Result<()> {
        self.samples.clear();
        self.decoder.decode(payload, &mut self.samples)?;
        let power: f32 = self.samples.iter().map(|sample| sample * sample).sum();
        let mean = power / self.samples.len().max(1) as f32;
        self.power += f64::from(mean);
        self.frames += 1.0;
        let is_loud = mean.sqrt() > LOUD;
        if let Some(sent) = self.sent.filter(|_| is_loud && !self.was_loud) {
            self.delays.push(sent.elapsed().as_secs_f64() * 1000.0);
        }
        self.was_loud = is_loud;
        Ok(())
    }
}

fn listen(people: &mut [Person], ear: &mut Ear) -> anyhow::Result<()> {
    let mut datagram = [0; 2048];
    let last = people.len().saturating_sub(1);
    for (at, person) in people.iter_mut().enumerate() {
        loop {
            match person.socket.recv(&mut datagram) {
                Ok(length) => {
                    person.packets += 1;
                    person.bytes += length as u64;
                    let payload = datagram.get(HEADER..length).unwrap_or_default();
                    if at == last && !payload.is_empty() {
                        ear.hear(payload)?;
                    }
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error) => return Err(error.into()),
            }
        }
    }
    Ok(())
}

//! Holds idle connections and relays messages between pairs, and reads what that costs the server.

mod dialect;
mod process;
mod socket;

use std::{
    net::SocketAddr,
    time::{Duration, Instant},
};

use anyhow::Context as _;
use clap::Parser;
use mio::{Events, Interest, Poll, Token};

use crate::{dialect::Dialect, process::Process, socket::Socket};

#[derive(Parser)]
struct Arguments {
    /// Which protocol the server speaks.
    #[arg(long, value_enum)]
    dialect: Dialect,
    #[arg(long)]
    server: SocketAddr,
    /// The server's process, for its CPU time and memory.
    #[arg(long)]
    pid: u32,
    /// Connections that are opened and then do nothing.
    #[arg(long, default_value_t = 10_000)]
    idle: usize,
    /// Pairs that relay to each other.
    #[arg(long, default_value_t = 100)]
    pairs: usize,
    /// Messages on their way at once, all pairs together.
    #[arg(long, default_value_t = 400)]
    window: usize,
    /// Bytes of payload in a message.
    #[arg(long, default_value_t = 1024)]
    size: usize,
    #[arg(long, default_value_t = 5)]
    seconds: u64,
}

fn main() -> anyhow::Result<()> {
    let arguments = Arguments::parse();
    let server = Process::new(arguments.pid);
    let idle = hold_idle(&arguments, &server)?;
    let mut relay = Relay::open(&arguments)?;
    relay.run(Duration::from_secs(1))?;
    let (cpu, sent) = (server.cpu()?, relay.relayed);
    let started = Instant::now();
    relay.run(Duration::from_secs(arguments.seconds))?;
    let (cpu, relayed, took) = (server.cpu()? - cpu, relay.relayed - sent, started.elapsed());
    println!(
        "{}",
        serde_json::json!({
            "server": format!("{:?}", arguments.dialect).to_lowercase(),
            "idle_connections": arguments.idle,
            "idle_bytes_per_connection": idle.bytes.round(),
            "idle_connect_cpu_us": (idle.connect_cpu_us * 10.0).round() / 10.0,
            "relay_cpu_us_per_message": (cpu.as_secs_f64() * 1e8 / relayed.max(1) as f64).round() / 100.0,
            "relay_messages_per_second": (relayed as f64 / took.as_secs_f64()).round(),
            "server_cpu_percent": (100.0 * cpu.as_secs_f64() / took.as_secs_f64()).round(),
        })
    );
    Ok(())
}

struct Idle {
    bytes: f64,
    connect_cpu_us: f64,
    _held: Vec<Socket>,
}

/// Opens and joins the idle connections, and measures the memory that each took.
fn hold_idle(arguments: &Arguments, server: &Process) -> anyhow::Result<Idle> {
    let open = |n: usize| -> anyhow::Result<Socket> {
        let mut socket = Socket::open(arguments.server, &arguments.dialect.path(n))?;
        arguments.dialect.join(&mut socket, n)?;
        Ok(socket)
    };
    // The first hundred warm the server's pools up; what they cost is not counted.
    let base = 1_000_000;
    let mut held = (0..100)
        .map(|n| open(base + n))
        .collect::<Result<Vec<_>, _>>()
        .context("first connections")?;
    let (memory, cpu) = (server.memory()?, server.cpu()?);
    for n in 100..100 + arguments.idle {
        held.push(open(base + n).with_context(|| format!("idle connection {n}"))?);
        if n % 1000 == 0 {
            eprintln!("  {n} of {} connections", arguments.idle);
        }
    }
    for socket in &mut held {
        socket.read(|_| {})?;
    }
    let count = arguments.idle.max(1) as f64;
    let bytes = (server.memory()?.saturating_sub(memory)) as f64 / count;
    Ok(Idle {
        bytes,
        connect_cpu_us: (server.cpu()? - cpu).as_secs_f64() * 1e6 / count,
        _held: held,
    })
}

/// The pairs, and how many messages came through.
struct Relay {
    dialect: Dialect,
    size: usize,
    poll: Poll,
    clients: Vec<Client>,
    relayed: u64,
    spoken: Instant,
}

struct Client {
    socket: Socket,
    message: Vec<u8>,
}

impl Relay {
    fn open(arguments: &Arguments) -> anyhow::Result<Self> {
        let (dialect, poll) = (arguments.dialect, Poll::new()?);
        let mut opened = Vec::new();
        for n in 0..arguments.pairs * 2 {
            let mut socket = Socket::open(arguments.server, &dialect.path(n))?;
            let id = dialect.join(&mut socket, n)?;
            opened.push((socket, id));
        }
        let ids: Vec<_> = opened.iter().map(|(_, id)| id.clone()).collect();
        let mut clients = Vec::new();
        for (n, (mut socket, _)) in opened.into_iter().enumerate() {
            poll.registry().register(
                &mut socket.stream,
                Token(n),
                Interest::READABLE | Interest::WRITABLE,
            )?;
            clients.push(Client {
                socket,
                message: dialect.message(&ids[n ^ 1], arguments.size),
            });
        }
        let mut relay = Self {
            dialect,
            size: arguments.size,
            poll,
            clients,
            relayed: 0,
            spoken: Instant::now(),
        };
        for n in 0..arguments.window {
            let client = n % relay.clients.len();
            relay.send(client)?;
        }
        Ok(relay)
    }

    fn send(&mut self, n: usize) -> anyhow::Result<()> {
        let Client { socket, message } = &mut self.clients[n];
        socket.send(message)
    }

    /// A closed loop: whoever receives a message sends one back at once.
    fn run(&mut self, time: Duration) -> anyhow::Result<()> {
        let (until, mut events) = (Instant::now() + time, Events::with_capacity(1024));
        while Instant::now() < until {
            self.poll.poll(&mut events, Some(Duration::from_millis(100)))?;
            for event in &events {
                self.answer(event.token().0)?;
            }
            if self.spoken.elapsed() > Duration::from_secs(4) {
                self.spoken = Instant::now();
                self.keep_alive()?;
            }
        }
        Ok(())
    }

    fn answer(&mut self, n: usize) -> anyhow::Result<()> {
        let (dialect, size, client) = (self.dialect, self.size, &mut self.clients[n]);
        let (mut arrived, mut heartbeats) = (0, Vec::new());
        client.socket.read(|text| {
            arrived += u64::from(dialect.is_relayed(text, size));
            heartbeats.extend(dialect.heartbeat(text));
        })?;
        for heartbeat in heartbeats {
            client.socket.send(heartbeat)?;
        }
        for _ in 0..arrived {
            client.socket.send(&client.message)?;
        }
        self.relayed += arrived;
        Ok(())
    }

    fn keep_alive(&mut self) -> anyhow::Result<()> {
        let Some(word) = self.dialect.keepalive() else {
            return Ok(());
        };
        self.clients
            .iter_mut()
            .try_for_each(|client| client.socket.send(word))
    }
}

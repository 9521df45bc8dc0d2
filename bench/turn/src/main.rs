//! Load for a TURN server. All clients share one socket and appear as distinct 5-tuples in 127.1.0.0/16, their peers in
//! 127.2.0.0/16, so the generator stays cheap while the server sees what it would see of many machines.
//!
//! Prints one line: CPU nanoseconds of the server for each relayed packet, packets a second, loss in percent, median
//! round-trip time in microseconds, share of a core that the server used in percent.

mod client;
mod cpu;
mod load;

use std::net::SocketAddr;

use clap::{Parser, ValueEnum};

/// Load for a TURN server.
#[derive(Parser, Debug)]
struct Arguments {
    /// Where the server listens (UDP).
    #[arg(long)]
    server: SocketAddr,
    /// The server's process, whose CPU time is read.
    #[arg(long)]
    pid: u32,
    /// Read the time of this whole core instead, with what the kernel does there for packets.
    #[arg(long)]
    core: Option<u32>,
    #[arg(long, default_value = "user1")]
    username: String,
    #[arg(long, default_value = "test")]
    password: String,
    /// Who talks to whom.
    #[arg(long, value_enum, default_value = "peer")]
    flow: Flow,
    #[arg(long, default_value_t = 200)]
    clients: u16,
    /// Bytes of application data in a packet.
    #[arg(long, default_value_t = 160)]
    size: usize,
    /// Packets that a client sends one after another.
    #[arg(long, default_value_t = 1)]
    burst: usize,
    /// Send and echo bursts coalesced (GSO), as a network card with GRO delivers them.
    #[arg(long)]
    coalesced: bool,
    /// Packets a second of all clients together; 0 for as many as the window allows.
    #[arg(long, default_value_t = 0)]
    rate: u64,
    /// Packets on the way at once, if there is no rate.
    #[arg(long, default_value_t = 256)]
    window: u64,
    /// Only allocate, wait so many seconds, and print the server's memory for each allocation.
    #[arg(long)]
    idle: Option<u64>,
    /// Seconds before the measurement.
    #[arg(long, default_value_t = 0.7)]
    warm: f64,
    /// Seconds of the measurement.
    #[arg(long, default_value_t = 3.0)]
    seconds: f64,
}

/// Who talks to whom.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Flow {
    /// Each client to a peer that echoes.
    Peer,
    /// Each client to the relayed address of another client.
    Relay,
}

fn main() -> anyhow::Result<()> {
    let arguments = Arguments::parse();
    let before = cpu::resident_bytes(arguments.pid)?;
    let mut clients = client::Clients::new(&arguments)?;
    clients.allocate(&arguments)?;
    if arguments.idle.is_some() {
        let after = cpu::resident_bytes(arguments.pid)?;
        println!("{}", after.saturating_sub(before) / u64::from(arguments.clients));
    } else {
        clients.connect(&arguments)?;
        let result = load::run(&arguments, &mut clients)?;
        println!("{result}");
    }
    clients.end(&arguments)
}

//! Loads a TURN server and reads what each relayed packet costs it.

use std::{
    net::{SocketAddr, SocketAddrV4},
    time::{Duration, Instant},
};

use anyhow::Context as _;
use clap::Parser;
use trefoil_load::{
    process::Process,
    turn::{
        batch,
        clients::{CHANNEL, Client, Credentials, Setup},
        flow::{Flow, Path, Plan, payload},
        peer_ip,
    },
};
use trefoil_stun::{AttributeType, Class, Method, TransactionId, Writer, channel_header};

#[derive(Parser)]
struct Arguments {
    #[arg(long)]
    server: SocketAddrV4,
    /// The server's process, for its CPU time and memory.
    #[arg(long)]
    pid: u32,
    #[arg(long, default_value = "load")]
    username: String,
    #[arg(long, default_value = "load-password")]
    password: String,
    #[arg(long, default_value_t = 200)]
    clients: usize,
    #[arg(long, value_enum, default_value_t = Path::Peer)]
    path: Path,
    /// Bytes of payload.
    #[arg(long, default_value_t = 160)]
    size: usize,
    /// Packets a second; as many as the window lets through if left out.
    #[arg(long)]
    rate: Option<f64>,
    /// Packets on their way at once, where there is no rate.
    #[arg(long, default_value_t = 256)]
    window: u64,
    /// Packets of one client in a row.
    #[arg(long, default_value_t = 1)]
    burst: usize,
    /// Bursts leave and arrive as one, as a network card with GRO hands them over.
    #[arg(long)]
    coalesced: bool,
    /// Send and Data indications instead of channels.
    #[arg(long)]
    indications: bool,
    #[arg(long, default_value_t = 0.7)]
    warm: f64,
    #[arg(long, default_value_t = 3.0)]
    seconds: f64,
    /// Only allocate, and report the memory of one allocation.
    #[arg(long)]
    idle: bool,
}

fn main() -> anyhow::Result<()> {
    let arguments = Arguments::parse();
    let server = Process::new(arguments.pid);
    let (clients, peers) = (
        batch::socket(arguments.coalesced)?,
        batch::socket(arguments.coalesced)?,
    );
    let SocketAddr::V4(peer) = peers.local_addr()? else {
        anyhow::bail!("an IPv4 socket has an IPv6 address")
    };
    let credentials = Credentials {
        username: arguments.username.clone(),
        password: arguments.password.clone(),
    };
    let mut setup = Setup::new(&clients, arguments.server, credentials);
    let before = server.memory()?;
    let mut allocated: Vec<Client> = (0..arguments.clients)
        .map(|n| setup.allocate(n))
        .collect::<Result<_, _>>()?;
    if arguments.idle {
        let each = server.memory()?.saturating_sub(before) / arguments.clients as u64;
        println!(
            "{}",
            serde_json::json!({ "allocations": arguments.clients, "bytes_per_allocation": each })
        );
    } else {
        let at: Vec<SocketAddrV4> = (0..arguments.clients)
            .map(|n| match arguments.path {
                Path::Peer => SocketAddrV4::new(peer_ip(n), peer.port()),
                Path::Relay => allocated[n ^ 1].relayed,
            })
            .collect();
        for (client, peer) in allocated.iter_mut().zip(&at) {
            setup.reach(client, *peer, !arguments.indications)?;
        }
        let bursts = (0..arguments.clients)
            .map(|n| burst(&arguments, n, at[n]))
            .collect::<Result<_, _>>()?;
        measure(
            &arguments,
            &server,
            Flow::new(plan(&arguments), &clients, &peers, arguments.server, bursts),
        )?;
    }
    allocated.iter_mut().try_for_each(|client| setup.release(client))
}

fn plan(arguments: &Arguments) -> Plan {
    let Arguments {
        path,
        rate,
        window,
        burst,
        coalesced,
        size,
        ..
    } = *arguments;
    Plan {
        path,
        rate,
        window,
        burst,
        coalesced,
        size,
    }
}

/// All packets of one burst of client `n`, one behind the other.
fn burst(arguments: &Arguments, n: usize, peer: SocketAddrV4) -> anyhow::Result<Vec<u8>> {
    let payload = payload(n, arguments.size);
    let packet = if arguments.indications {
        let mut buffer = vec![0; arguments.size + 64];
        let mut writer = Writer::new(
            &mut buffer,
            Class::Indication,
            Method::Send,
            TransactionId([7; 12]),
        );
        writer.xor_address(AttributeType::XOR_PEER_ADDRESS, peer.into());
        writer.attribute(AttributeType::DATA, &payload);
        let length = writer.finish()?;
        buffer.truncate(length);
        buffer
    } else {
        let length = u16::try_from(payload.len()).context("--size is too large")?;
        [&channel_header(CHANNEL, length)[..], &payload].concat()
    };
    Ok(packet.repeat(arguments.burst))
}

fn measure(arguments: &Arguments, server: &Process, mut flow: Flow<'_>) -> anyhow::Result<()> {
    flow.run(Duration::from_secs_f64(arguments.warm));
    let (before, cpu, started) = (flow.count, server.cpu()?, Instant::now());
    flow.run(Duration::from_secs_f64(arguments.seconds));
    let (cpu, took, after) = (server.cpu()? - cpu, started.elapsed().as_secs_f64(), flow.count);
    let (sent, at_clients) = (after.sent - before.sent, after.at_clients - before.at_clients);
    // Through a peer each packet is relayed twice, there and back; between relays it counts once, as it arrives.
    let relayed = at_clients + after.at_peers - before.at_peers;
    println!(
        "{}",
        serde_json::json!({
            "ns_per_packet": (cpu.as_nanos() as f64 / relayed.max(1) as f64).round(),
            "packets_per_second": (relayed as f64 / took).round(),
            "lost_percent": (1000.0 * (1.0 - at_clients as f64 / sent.max(1) as f64)).round() / 10.0,
            "wrong": after.wrong - before.wrong,
            "server_cpu_percent": (100.0 * cpu.as_secs_f64() / took).round(),
        })
    );
    Ok(())
}

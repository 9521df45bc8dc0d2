//! From what the operator said to what each shard is given.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use rustls::ServerConfig;
use trefoil_net::{SocketOptions, UdpSocket, address_towards_internet, listen_tcp, local_addresses};
use trefoil_turn::{Config, Discovery, IdentityRates, Limits, Offer, PeerFilter, RelayAddress, Shard};

use crate::RelayConfig;
use crate::credentials::credentials;
use crate::peers::{nets, peer_ports};
use crate::streams::{StreamLimits, StreamListener};

/// Receive and send buffers of a listening socket, in bytes: half a second of a loaded gigabit link.
const LISTENER_BUFFER: usize = 8 << 20;

/// How often a free port is tried that is to be free over TCP too.
const MOST_TRIES: usize = 32;
/// Connections with peers of one shard, whatever the settings say: each has a number of 24 bits.
const MOST_PEERS: usize = 1 << 20;

impl RelayConfig {
    /// Whether a relay could be started with this, as far as that can be said without opening a socket.
    ///
    /// # Errors
    /// The first setting that is wrong, and what is wrong with it.
    pub fn check(&self) -> Result<()> {
        if self.listen.is_empty() {
            bail!("the relay listens nowhere; name at least one address in `listen`");
        }
        machine(self, &self.listen, &[], Shard { index: 0, count: 1 }).map(drop)
    }
}

/// The listening sockets of one shard.
#[derive(Debug, Default)]
pub(crate) struct Listeners {
    pub(crate) udp: Vec<UdpSocket>,
    pub(crate) streams: Vec<StreamListener>,
}

/// Opens one socket for each shard on each listening address.
pub(crate) fn listen(config: &RelayConfig, shards: u16) -> Result<Vec<Listeners>> {
    let mut all: Vec<Listeners> = (0..shards).map(|_| Listeners::default()).collect();
    for wanted in &config.listen {
        let address = free(*wanted, config.tcp, "listen")?;
        let options = SocketOptions {
            reuse_port: true,
            buffer_bytes: LISTENER_BUFFER,
        };
        for shard in &mut all {
            let socket =
                UdpSocket::bind(address, options).with_context(|| format!("cannot listen on {address}"))?;
            shard.udp.push(socket);
            if config.tcp {
                shard.streams.push(StreamListener {
                    socket: listen_tcp(address, true)?,
                    tls: None,
                });
            }
        }
    }
    let heard: Vec<SocketAddr> = all
        .first()
        .map(|first| first.udp.iter().map(UdpSocket::local).collect())
        .unwrap_or_default();
    let more = discovery(config, &heard)?
        .map(|both| both.addresses().to_vec())
        .unwrap_or_default();
    for address in more.into_iter().skip(1) {
        let options = SocketOptions {
            reuse_port: true,
            buffer_bytes: 0,
        };
        for shard in &mut all {
            let socket = UdpSocket::bind(address, options)
                .with_context(|| cannot_listen(address, "UDP", "discovery"))?;
            shard.udp.push(socket);
        }
    }
    Ok(all)
}

/// Opens the sockets for TLS clients in addition; returns where they are.
pub(crate) fn listen_tls(
    wanted: &[SocketAddr],
    tls: &Arc<ServerConfig>,
    all: &mut [Listeners],
) -> Result<Vec<SocketAddr>> {
    let mut listening = Vec::new();
    for wanted in wanted {
        let probe =
            listen_tcp(*wanted, false).with_context(|| cannot_listen(*wanted, "TLS", "tls.listen"))?;
        let address = probe.local_addr().context("a listening socket has no address")?;
        drop(probe);
        let options = SocketOptions {
            reuse_port: true,
            buffer_bytes: LISTENER_BUFFER,
        };
        for shard in all.iter_mut() {
            // DTLS comes to the same port over UDP.
            let udp = UdpSocket::bind(address, options)
                .with_context(|| cannot_listen(address, "UDP", "tls.listen"))?;
            shard.udp.push(udp);
            shard.streams.push(StreamListener {
                socket: listen_tcp(address, true)?,
                tls: Some(tls.clone()),
            });
        }
        listening.push(address);
    }
    Ok(listening)
}

/// Makes sure that nobody else has the address, and chooses a port if none is named.
///
/// Shared ports would also be shared with another server of the same owner, silently: so this looks without sharing.
fn free(wanted: SocketAddr, tcp: bool, setting: &str) -> Result<SocketAddr> {
    let tries = if wanted.port() == 0 { MOST_TRIES } else { 1 };
    let mut last = None;
    for _ in 0..tries {
        let probe = UdpSocket::bind(wanted, SocketOptions::default())
            .with_context(|| cannot_listen(wanted, "UDP", setting))?;
        let address = probe.local();
        match if tcp {
            listen_tcp(address, false).map(drop)
        } else {
            Ok(())
        } {
            Ok(()) => return Ok(address),
            Err(error) => last = Some(error),
        }
    }
    let error = last.map_or_else(|| anyhow::anyhow!("no port was tried"), anyhow::Error::from);
    Err(error.context(cannot_listen(wanted, "TCP", setting)))
}

fn cannot_listen(address: SocketAddr, protocol: &str, setting: &str) -> String {
    format!(
        "cannot listen on {address} over {protocol}; stop what uses it or change `{setting}` of the relay"
    )
}

/// What each shard may hold of the connections.
pub(crate) fn stream_limits(config: &RelayConfig, shards: u16) -> StreamLimits {
    StreamLimits {
        connections: (config.connections as usize).div_ceil(usize::from(shards.max(1))),
        of_one_source: config.connections_per_source,
        idle: Duration::from_secs(config.idle_seconds.into()),
    }
}

/// The machine's configuration for one shard; `services` are ours that data may reach.
pub(crate) fn machine(
    config: &RelayConfig,
    listening: &[SocketAddr],
    services: &[SocketAddr],
    shard: Shard,
) -> Result<Config> {
    let own = local_addresses().context("cannot list this machine's addresses")?;
    let relay_addresses = relay_addresses(config, listening)?;
    let own_relays = relay_addresses
        .iter()
        .flat_map(|address| [address.bound, address.advertised])
        .collect();
    let filter = PeerFilter::new(
        nets("allow_peers", &config.allow_peers)?,
        nets("deny_peers", &config.deny_peers)?,
        own.clone(),
        own_relays,
    )
    .with_services(services.to_vec());
    let expand = |address: &SocketAddr| -> Vec<SocketAddr> {
        let hosts = if address.ip().is_unspecified() {
            own.clone()
        } else {
            vec![address.ip()]
        };
        hosts
            .into_iter()
            .map(|host| SocketAddr::new(host, address.port()))
            .collect()
    };
    Ok(Config {
        realm: config.realm.clone(),
        credentials: credentials(config)?,
        offer: Offer::default(),
        relay_addresses,
        ports: config.port_range.first..=config.port_range.last,
        shard,
        filter,
        listeners: listening.iter().flat_map(expand).collect(),
        mobility: config.mobility,
        discovery: discovery(config, listening)?,
        tcp: peer_ports(config)?,
        alternates: config.alternates.clone(),
        channels_are_carried: !config.bpf_interfaces.is_empty(),
        limits: limits(config, shard.count),
    })
}

/// The two addresses of behaviour discovery, if a second one is named.
pub(crate) fn discovery(config: &RelayConfig, listening: &[SocketAddr]) -> Result<Option<Discovery>> {
    let (Some(alternate), Some(primary)) = (config.discovery, listening.first().copied()) else {
        return Ok(None);
    };
    let apart = primary.ip() != alternate.ip() && (primary.port() == 0 || primary.port() != alternate.port());
    let plain = !primary.ip().is_unspecified() && !alternate.ip().is_unspecified();
    if !apart || !plain || primary.is_ipv4() != alternate.is_ipv4() {
        bail!(
            "`discovery` needs a second address of the same family whose IP and port both differ from {primary}, the \
             first of `listen`; neither may be a wildcard"
        );
    }
    Ok(Some(Discovery { primary, alternate }))
}

fn unless_zero(rate: u64) -> Option<u64> {
    (rate > 0).then_some(rate)
}

/// What all allocations of one username may carry.
pub(crate) fn identity_rates(config: &RelayConfig) -> IdentityRates {
    IdentityRates {
        bits_per_second: unless_zero(config.bits_per_second_per_username),
        packets_per_second: unless_zero(config.packets_per_second_per_username),
    }
}

fn limits(config: &RelayConfig, shards: u16) -> Limits {
    Limits {
        longest_lifetime: Duration::from_secs(config.longest_lifetime_seconds.into()),
        permissions: config.permissions_per_allocation as usize,
        channels: config.channels_per_allocation as usize,
        connections: config.tcp_connections_per_allocation as usize,
        all_connections: stream_limits(config, shards).connections.min(MOST_PEERS),
        bits_per_second: unless_zero(config.bits_per_second),
        packets_per_second: unless_zero(config.packets_per_second),
        unproven_answers: unless_zero(config.answers_per_source),
        longest_credential: Duration::from_secs(config.longest_credential_seconds.into()),
        quarantine: Duration::from_secs(config.port_quarantine_seconds.into()),
        ..Limits::default()
    }
}

/// At most one relay address of each family, each with what the outside sees.
fn relay_addresses(config: &RelayConfig, listening: &[SocketAddr]) -> Result<Vec<RelayAddress>> {
    let mut chosen = Vec::new();
    for v4 in [true, false] {
        let named = config
            .relay_addresses
            .iter()
            .find(|ip| ip.is_ipv4() == v4)
            .copied();
        let heard = || {
            let address = listening.iter().find(|address| address.is_ipv4() == v4)?;
            if address.ip().is_unspecified() {
                address_towards_internet(v4)
            } else {
                Some(address.ip())
            }
        };
        let bound: Option<IpAddr> = if config.relay_addresses.is_empty() {
            heard()
        } else {
            named
        };
        let external = config
            .external_addresses
            .iter()
            .find(|ip| ip.is_ipv4() == v4)
            .copied();
        match (bound, external) {
            (Some(bound), external) => chosen.push(RelayAddress {
                bound,
                advertised: external.unwrap_or(bound),
            }),
            (None, Some(external)) => bail!(
                "the external address {external} has no relay address of its family; add one to `relay_addresses`"
            ),
            (None, None) => {}
        }
    }
    if chosen.is_empty() {
        bail!("there is no address to relay from; name one in `relay_addresses`");
    }
    Ok(chosen)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(config: &RelayConfig, listening: &str, expected: &[(&str, &str)]) {
        let expected: Vec<RelayAddress> = expected
            .iter()
            .map(|(bound, seen)| RelayAddress {
                bound: bound.parse().unwrap(),
                advertised: seen.parse().unwrap(),
            })
            .collect();
        assert_eq!(
            relay_addresses(config, &[listening.parse().unwrap()]).unwrap(),
            expected
        );
    }

    #[test]
    fn the_relay_address_is_the_listening_one_unless_it_is_named() {
        check(
            &RelayConfig::default(),
            "127.0.0.1:3478",
            &[("127.0.0.1", "127.0.0.1")],
        );
        let config = RelayConfig {
            relay_addresses: vec!["127.0.0.2".parse().unwrap(), "::1".parse().unwrap()],
            external_addresses: vec!["198.51.100.1".parse().unwrap()],
            ..RelayConfig::default()
        };
        check(
            &config,
            "127.0.0.1:3478",
            &[("127.0.0.2", "198.51.100.1"), ("::1", "::1")],
        );
    }

    #[test]
    fn a_mistake_in_a_list_stops_the_start_and_is_named() {
        let config = RelayConfig {
            deny_peers: vec!["10.0.0.0/99".to_owned()],
            ..RelayConfig::default()
        };
        let listening = ["127.0.0.1:3478".parse().unwrap()];
        let error = machine(&config, &listening, &[], Shard { index: 0, count: 1 }).unwrap_err();
        let text = format!("{error:#}");
        assert!(
            text.contains("deny_peers") && text.contains("10.0.0.0/99"),
            "{text}"
        );
    }
}

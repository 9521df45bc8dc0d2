//! What an operator can say about the relay.

use std::collections::BTreeMap;
use std::fmt;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::str::FromStr;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::Secret;

/// STUN and TURN.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct RelayConfig {
    /// Addresses to listen on over UDP. A wildcard (`0.0.0.0`, `[::]`) answers from the address that was asked.
    pub listen: Vec<SocketAddr>,
    /// Listen on the same addresses and ports over TCP, for clients whose networks block UDP.
    pub tcp: bool,
    /// TLS, for clients whose networks let nothing else pass.
    pub tls: Option<RelayTls>,
    /// Connections over TCP and TLS in all; TCP allocations may have as many with their peers.
    pub connections: u32,
    /// Connections over TCP and TLS of one IPv4 address, or of one /64 of IPv6.
    pub connections_per_source: u32,
    /// Seconds after which a connection without an allocation is closed when nothing comes.
    pub idle_seconds: u32,
    /// A second address, of another IP and port than the first of `listen`, for NAT behaviour discovery (RFC 5780). The
    /// relay then listens on the four combinations of both.
    pub discovery: Option<SocketAddr>,
    /// Relays that clients are sent to while this one drains, one of each family at most.
    pub alternates: Vec<SocketAddr>,
    /// Allocations may follow their clients to other addresses, when these ask for it (RFC 8016).
    pub mobility: bool,
    /// Relay TCP too (RFC 6062): clients over TCP and TLS reach TCP services of their peers, and are reached over TCP. Off
    /// by default, because such a relay is a proxy to every service that `tcp_peer_ports` and the peer ranges let pass.
    pub tcp_allocations: bool,
    /// The ports of peers that clients may connect to over TCP, like `"443"` or `"5000-5999"`. None by default, so that
    /// whoever relays TCP says what for; relayed addresses of other clients count like every peer.
    pub tcp_peer_ports: Vec<String>,
    /// Connections with peers of one TCP allocation.
    pub tcp_connections_per_allocation: u32,
    /// The realm of the credentials. Keep it short: it is in every answer to a stranger.
    pub realm: String,
    /// Shared secrets of time-limited credentials (what coturn calls `use-auth-secret`). Each is accepted; the rooms hand
    /// out credentials made with the first.
    pub secrets: Vec<Secret>,
    /// Usernames with fixed passwords.
    pub users: BTreeMap<String, Secret>,
    /// Clients that an authorisation server lets in with access tokens (RFC 7635), besides those with passwords.
    pub third_party: Option<RelayThirdParty>,
    /// Addresses to relay from, at most one of each family. Empty: the listening addresses, and for a wildcard the
    /// address from which packets leave for the Internet.
    pub relay_addresses: Vec<IpAddr>,
    /// The address that the outside sees, behind one-to-one NAT; one of each family at most.
    pub external_addresses: Vec<IpAddr>,
    /// Ports to relay from, `first-last`. Nothing but the relay may use them on the relay's addresses.
    pub port_range: PortRange,
    /// Address ranges that data may go to although they are private, special or this machine's own. The
    /// media server of the same process is reached without.
    pub allow_peers: Vec<String>,
    /// Address ranges that data may not go to, besides all private and special ones.
    pub deny_peers: Vec<String>,
    /// Threads; 0 for one on each core.
    pub threads: u16,
    /// Allocations of one username.
    pub allocations_per_username: u32,
    /// Allocations in all.
    pub allocations: u32,
    /// Permissions of one allocation.
    pub permissions_per_allocation: u32,
    /// Channels of one allocation.
    pub channels_per_allocation: u32,
    /// Bits a second that one allocation may carry, both directions together; 0 for no limit.
    pub bits_per_second: u64,
    /// Packets a second that one allocation may carry, both directions together; 0 for no limit.
    pub packets_per_second: u64,
    /// Bits a second that all allocations of one username may carry, both directions together; 0 for no limit. Threads
    /// take from one account in small parts, so each allocation may exceed it by a hundredth of a second's worth.
    pub bits_per_second_per_username: u64,
    /// Packets a second that all allocations of one username may carry, both directions together; 0 for no limit.
    pub packets_per_second_per_username: u64,
    /// Answers a second to one address that has proved nothing (Binding and 401 over UDP); 0 for no limit.
    pub answers_per_source: u64,
    /// The longest lifetime that is granted at once, in seconds.
    pub longest_lifetime_seconds: u32,
    /// How far in the future a time-limited username may expire, in seconds; others are taken for forged.
    pub longest_credential_seconds: u32,
    /// How long a closed relay port rests before it is used again, in seconds.
    pub port_quarantine_seconds: u32,
    /// Whether `/metrics` tells the traffic of each allocation and each identity. Off by default, as it names people.
    pub detailed_metrics: bool,
    /// Network interfaces, such as `eth0`, on which data of channels over IPv4 is relayed inside the kernel, by an eBPF program
    /// at their entrance. Needs Linux 6.6 and the capabilities `CAP_BPF` and `CAP_NET_ADMIN`; without them the relay warns
    /// and goes on as usual. Such packets pass by the firewall, and no rates can be held for them.
    pub bpf_interfaces: Vec<String>,
    /// Microseconds by which a packet may be held back to be handled together with others. Only done under load.
    pub coalesce_microseconds: u32,
}

impl Default for RelayConfig {
    fn default() -> RelayConfig {
        RelayConfig {
            listen: vec![(Ipv4Addr::LOCALHOST, 3478).into()],
            tcp: true,
            tls: None,
            mobility: true,
            discovery: None,
            alternates: Vec::new(),
            connections: 10_000,
            connections_per_source: 500,
            idle_seconds: 30,
            tcp_allocations: false,
            tcp_peer_ports: Vec::new(),
            tcp_connections_per_allocation: 32,
            realm: "trefoil".to_owned(),
            secrets: Vec::new(),
            users: BTreeMap::new(),
            third_party: None,
            relay_addresses: Vec::new(),
            external_addresses: Vec::new(),
            port_range: PortRange {
                first: 49152,
                last: 65535,
            },
            allow_peers: Vec::new(),
            deny_peers: Vec::new(),
            threads: 0,
            allocations_per_username: 100,
            allocations: 10_000,
            permissions_per_allocation: 64,
            channels_per_allocation: 64,
            bits_per_second: 0,
            packets_per_second: 0,
            bits_per_second_per_username: 0,
            packets_per_second_per_username: 0,
            answers_per_source: 100,
            longest_lifetime_seconds: 3600,
            longest_credential_seconds: 172_800,
            port_quarantine_seconds: 30,
            detailed_metrics: false,
            bpf_interfaces: Vec::new(),
            coalesce_microseconds: 95,
        }
    }
}

/// Listening over TLS.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RelayTls {
    /// Addresses to listen on, usually port 5349 or 443.
    pub listen: Vec<SocketAddr>,
    /// The certificate chain, a PEM file. Read again within ten seconds when it changes.
    pub certificate: PathBuf,
    /// The private key of the certificate, a PEM file.
    pub key: PathBuf,
}

/// Third-party authorisation.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RelayThirdParty {
    /// The name by which the authorisation server knows this relay. Keep it short: it is in every answer to a stranger.
    pub server_name: String,
    /// The keys that both servers share, each under its `kid`, which clients send as their username: 32 bytes (AES-256-GCM)
    /// or 16 (AES-128-GCM), in hexadecimal digits or in base64. Each bearer of a token counts as one username.
    pub keys: BTreeMap<String, Secret>,
}

/// Ports from `first` to `last`, both included; written `first-last`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "String", into = "String")]
#[schemars(with = "String")]
pub struct PortRange {
    /// The lowest port.
    pub first: u16,
    /// The highest port.
    pub last: u16,
}

impl FromStr for PortRange {
    type Err = String;

    fn from_str(text: &str) -> Result<PortRange, String> {
        let wrong = || format!("`{text}` is no port range; write it like 49152-65535");
        let (first, last) = text.split_once('-').ok_or_else(wrong)?;
        let [first, last] =
            [first, last].map(|port| port.trim().parse::<u16>().ok().filter(|port| *port > 0));
        match (first, last) {
            (Some(first), Some(last)) if first <= last => Ok(PortRange { first, last }),
            _ => Err(wrong()),
        }
    }
}

impl TryFrom<String> for PortRange {
    type Error = String;

    fn try_from(text: String) -> Result<PortRange, String> {
        text.parse()
    }
}

impl From<PortRange> for String {
    fn from(range: PortRange) -> String {
        range.to_string()
    }
}

impl fmt::Display for PortRange {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}-{}", self.first, self.last)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_port_range_is_read_and_written_alike() {
        let range: PortRange = "49152-65535".parse().unwrap();
        assert_eq!(
            (range.first, range.last, range.to_string().as_str()),
            (49152, 65535, "49152-65535")
        );
        for wrong in ["", "1", "2-1", "0-9", "1-65536", "a-b", "1-2-3"] {
            assert_eq!(
                wrong.parse::<PortRange>(),
                Err(format!("`{wrong}` is no port range; write it like 49152-65535"))
            );
        }
    }

    #[test]
    fn an_unknown_setting_is_refused_and_what_is_missing_has_its_default() {
        let config: RelayConfig =
            serde_json::from_str(r#"{"realm":"here","port_range":"50000-50001"}"#).unwrap();
        assert_eq!(
            (config.realm.as_str(), config.listen),
            ("here", RelayConfig::default().listen)
        );
        assert!(serde_json::from_str::<RelayConfig>(r#"{"relm":"here"}"#).is_err());
    }
}

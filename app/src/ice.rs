//! Where clients are told to find STUN and TURN.

use std::net::{IpAddr, SocketAddr};

use trefoil_relay::RelayConfig;
use trefoil_server::IceServers;

/// The URLs under which clients reach the traversal server. Where it listens on every address, `{host}` stands for the
/// name by which the client reached the room server.
pub(crate) fn ice_servers(relay: &RelayConfig, listening: &[SocketAddr], tls: &[SocketAddr]) -> IceServers {
    let hosts = listening.iter().map(|address| {
        let external = relay
            .external_addresses
            .iter()
            .find(|external| external.is_ipv4() == address.is_ipv4());
        let host = match external {
            Some(external) => shown(*external),
            None if address.ip().is_unspecified() => "{host}".to_owned(),
            None => shown(address.ip()),
        };
        format!("{host}:{}", address.port())
    });
    let hosts: Vec<String> = hosts.collect();
    let udp = hosts.iter().map(|host| format!("turn:{host}?transport=udp"));
    let tcp = hosts
        .iter()
        .filter(|_| relay.tcp)
        .map(|host| format!("turn:{host}?transport=tcp"));
    // A certificate is for a name, and the name that the client knows is the room server's.
    let tls = tls
        .iter()
        .map(|address| format!("turns:{{host}}:{}?transport=tcp", address.port()));
    IceServers {
        stun_urls: hosts.iter().map(|host| format!("stun:{host}")).collect(),
        turn_urls: udp.chain(tcp).chain(tls).collect(),
        secret: relay.secrets.first().cloned(),
    }
}

/// An IPv6 address stands in brackets in a URL.
fn shown(address: IpAddr) -> String {
    match address {
        IpAddr::V4(v4) => v4.to_string(),
        IpAddr::V6(v6) => format!("[{v6}]"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn urls(relay: &RelayConfig, listening: &str, tls: &[SocketAddr]) -> Vec<String> {
        let ice = ice_servers(relay, &[listening.parse().unwrap()], tls);
        ice.stun_urls.into_iter().chain(ice.turn_urls).collect()
    }

    #[test]
    fn a_wildcard_becomes_the_name_that_the_client_used() {
        let relay = RelayConfig {
            tcp: false,
            ..RelayConfig::default()
        };
        assert_eq!(
            urls(&relay, "0.0.0.0:3478", &[]),
            ["stun:{host}:3478", "turn:{host}:3478?transport=udp"]
        );
        assert_eq!(
            urls(&relay, "[::1]:9", &[]),
            ["stun:[::1]:9", "turn:[::1]:9?transport=udp"]
        );
    }

    #[test]
    fn the_external_address_stands_for_the_one_behind_nat() {
        let external_addresses = vec!["198.51.100.7".parse().unwrap()];
        let relay = RelayConfig {
            external_addresses,
            ..RelayConfig::default()
        };
        let shown = urls(&relay, "10.0.0.5:3478", &["0.0.0.0:443".parse().unwrap()]);
        assert_eq!(
            shown,
            [
                "stun:198.51.100.7:3478",
                "turn:198.51.100.7:3478?transport=udp",
                "turn:198.51.100.7:3478?transport=tcp",
                "turns:{host}:443?transport=tcp",
            ]
        );
    }
}

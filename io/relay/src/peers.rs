//! What the operator says about peers: address ranges, and the ports that TCP allocations may connect to.

use anyhow::{Context, Result, bail};
use trefoil_turn::{Net, PeerPorts};

use crate::{PortRange, RelayConfig};

/// Reads a list of address ranges.
pub(crate) fn nets(setting: &str, texts: &[String]) -> Result<Vec<Net>> {
    texts
        .iter()
        .map(|text| {
            text.parse::<Net>()
                .with_context(|| format!("in `{setting}` of the relay"))
        })
        .collect()
}

/// Where TCP allocations may connect to, if there are any.
pub(crate) fn peer_ports(config: &RelayConfig) -> Result<Option<PeerPorts>> {
    if !config.tcp_allocations {
        return Ok(None);
    }
    if config.tcp_peer_ports.is_empty() {
        bail!(
            "`tcp_allocations` needs `tcp_peer_ports`: name the ports of peers that clients may connect to, as few as do"
        );
    }
    let range = |text: &String| -> Result<_> {
        let range: PortRange = if text.contains('-') {
            text.parse()
        } else {
            format!("{text}-{text}").parse()
        }
        .map_err(|_| anyhow::anyhow!("`{text}` is no port and no range; write it like 443 or 5000-5999"))
        .context("in `tcp_peer_ports` of the relay")?;
        Ok(range.first..=range.last)
    };
    let ranges = config.tcp_peer_ports.iter().map(range).collect::<Result<_>>()?;
    Ok(Some(PeerPorts(ranges)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tcp_is_relayed_only_to_ports_that_are_named() {
        let ports = |on: bool, named: &[&str]| {
            let config = RelayConfig {
                tcp_allocations: on,
                tcp_peer_ports: named.iter().map(|port| (*port).to_owned()).collect(),
                ..RelayConfig::default()
            };
            peer_ports(&config).map_err(|error| format!("{error:#}"))
        };
        assert_eq!(ports(false, &["443"]), Ok(None));
        assert_eq!(
            ports(true, &["443", "5000-5999"]),
            Ok(Some(PeerPorts(vec![443..=443, 5000..=5999])))
        );
        assert!(ports(true, &[]).unwrap_err().contains("`tcp_peer_ports`"));
        for wrong in ["", "x", "0", "9-1", "70000"] {
            let error = ports(true, &[wrong]).unwrap_err();
            assert!(
                error.contains("tcp_peer_ports") && error.contains(wrong),
                "{error}"
            );
        }
    }
}

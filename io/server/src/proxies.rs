//! Reverse proxies that are believed when they say for whom they ask.

use std::net::IpAddr;

use anyhow::{Context, ensure};
use axum::http::HeaderMap;

/// The addresses and networks of trusted proxies.
#[derive(Debug)]
pub(crate) struct Proxies(Vec<(IpAddr, u8)>);

impl Proxies {
    /// Reads addresses (`192.0.2.1`) and networks (`10.0.0.0/8`).
    pub(crate) fn parse(texts: &[String]) -> anyhow::Result<Self> {
        let parse = |text: &String| {
            let (address, bits) = text
                .split_once('/')
                .map_or((text.as_str(), None), |(a, bits)| (a, Some(bits)));
            let address: IpAddr = address.trim().parse().with_context(|| {
                format!(
                    "trusted_proxies has {text:?}: write an address (192.0.2.1) or a network (10.0.0.0/8)"
                )
            })?;
            let all = if address.is_ipv4() { 32 } else { 128 };
            let bits = bits.map_or(Ok(all), str::parse).unwrap_or(u8::MAX);
            ensure!(
                bits <= all,
                "trusted_proxies has {text:?}: a network has /0 to /{all}"
            );
            Ok((address, bits))
        };
        texts.iter().map(parse).collect::<anyhow::Result<_>>().map(Self)
    }

    /// Whether `address` is a trusted proxy's.
    pub(crate) fn trust(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        self.0.iter().any(|(network, bits)| match (network, address) {
            (IpAddr::V4(network), IpAddr::V4(address)) => {
                let mask = u32::MAX.checked_shl(32 - u32::from(*bits)).unwrap_or(0);
                network.to_bits() & mask == address.to_bits() & mask
            }
            (IpAddr::V6(network), IpAddr::V6(address)) => {
                let mask = u128::MAX.checked_shl(128 - u32::from(*bits)).unwrap_or(0);
                network.to_bits() & mask == address.to_bits() & mask
            }
            (IpAddr::V4(_), IpAddr::V6(_)) | (IpAddr::V6(_), IpAddr::V4(_)) => false,
        })
    }

    /// The client behind the trusted proxy at `remote`: the last address in `X-Forwarded-For` that is no trusted proxy's.
    pub(crate) fn client(&self, remote: IpAddr, headers: &HeaderMap) -> Option<IpAddr> {
        if !self.trust(remote) {
            return None;
        }
        let lines: Vec<_> = headers.get_all("x-forwarded-for").iter().collect();
        let hops = lines
            .iter()
            .rev()
            .filter_map(|line| line.to_str().ok())
            .flat_map(|line| line.rsplit(','));
        for hop in hops {
            // What is no address was not written by a proxy that can be believed.
            let address = hop.trim().parse().ok()?;
            if !self.trust(address) {
                return Some(address);
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::http::HeaderValue;

    fn proxies(texts: &[&str]) -> anyhow::Result<Proxies> {
        Proxies::parse(&texts.iter().map(ToString::to_string).collect::<Vec<_>>())
    }

    fn client(remote: &str, lines: &[&'static str]) -> Option<String> {
        let mut headers = HeaderMap::new();
        for line in lines {
            headers.append("x-forwarded-for", HeaderValue::from_static(line));
        }
        let all = proxies(&["127.0.0.1", "10.0.0.0/8", "2001:db8::/32"]).unwrap();
        all.client(remote.parse().unwrap(), &headers)
            .map(|address| address.to_string())
    }

    #[test]
    fn a_client_is_the_last_one_that_no_trusted_proxy_is() {
        assert_eq!(client("127.0.0.1", &["192.0.2.7"]).as_deref(), Some("192.0.2.7"));
        assert_eq!(
            client("127.0.0.1", &["6.6.6.6, 192.0.2.7, 10.1.2.3"]).as_deref(),
            Some("192.0.2.7")
        );
        assert_eq!(
            client("2001:db8::1", &["192.0.2.7", "192.0.2.8"]).as_deref(),
            Some("192.0.2.8")
        );
        assert_eq!(
            client("::ffff:127.0.0.1", &["2001:db9::1"]).as_deref(),
            Some("2001:db9::1")
        );
    }

    #[test]
    fn nobody_else_is_believed_and_nonsense_is_nobody() {
        assert_eq!(client("192.0.2.1", &["192.0.2.7"]), None);
        assert_eq!(client("127.0.0.1", &[]), None);
        assert_eq!(client("127.0.0.1", &["10.0.0.1"]), None);
        assert_eq!(client("127.0.0.1", &["192.0.2.7, unknown"]), None);
    }

    #[test]
    fn only_addresses_and_networks_can_be_trusted() {
        for wrong in ["proxy.example.org", "10.0.0.0/33", "10.0.0.0/x", "", "::1/129"] {
            assert!(proxies(&[wrong]).is_err(), "{wrong}");
        }
        assert!(
            proxies(&["0.0.0.0/0"])
                .unwrap()
                .trust("192.0.2.1".parse().unwrap())
        );
        assert!(proxies(&["::/0"]).unwrap().trust("2001:db8::1".parse().unwrap()));
    }
}

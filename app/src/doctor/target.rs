//! Whom to try, and over what: a host, or a URL as browsers take it.

use std::{
    fmt,
    net::{SocketAddr, ToSocketAddrs as _},
};

use anyhow::{Context as _, bail, ensure};

/// How the server is reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Transport {
    /// Datagrams.
    Udp,
    /// A connection, for networks that block UDP.
    Tcp,
    /// An encrypted connection, for networks that let nothing else pass.
    Tls,
}

impl fmt::Display for Transport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Udp => "UDP",
            Self::Tcp => "TCP",
            Self::Tls => "TLS",
        })
    }
}

/// A server to try.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Target {
    /// Its name, which its certificate must be for.
    pub(crate) host: String,
    pub(crate) address: SocketAddr,
    pub(crate) transport: Transport,
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} over {}", self.address, self.transport)
    }
}

impl Target {
    /// Reads HOST, HOST:PORT or a URL like `turn:HOST:PORT?transport=tcp` or `turns:HOST`, and looks the name up.
    /// `transport` counts more than what the URL says.
    pub(crate) fn find(named: &str, transport: Option<Transport>) -> anyhow::Result<Self> {
        let (host, port, said) = parts(named)?;
        let transport = transport.unwrap_or(said);
        let port = port.unwrap_or(match transport {
            Transport::Udp | Transport::Tcp => 3478,
            Transport::Tls => 5349,
        });
        let address = (host.as_str(), port)
            .to_socket_addrs()
            .with_context(|| format!("the name {host} has no address: check its DNS record"))?
            .next()
            .with_context(|| format!("the name {host} has no address"))?;
        Ok(Self {
            host,
            address,
            transport,
        })
    }
}

/// Host, port if there is one, and transport.
fn parts(named: &str) -> anyhow::Result<(String, Option<u16>, Transport)> {
    let (place, query) = named.split_once('?').unwrap_or((named, ""));
    let (secured, place) = match place.split_once(':') {
        Some(("turn" | "stun", rest)) => (false, rest),
        Some(("turns" | "stuns", rest)) => (true, rest),
        Some(_) | None => (false, place),
    };
    let transport = match (secured, query) {
        (true, "" | "transport=tcp") => Transport::Tls,
        (true, "transport=udp") => {
            bail!("{named} means DTLS, which the doctor does not speak; try it over TLS")
        }
        (false, "" | "transport=udp") => Transport::Udp,
        (false, "transport=tcp") => Transport::Tcp,
        (_, other) => bail!("`{other}` in {named} is no transport: write ?transport=udp or ?transport=tcp"),
    };
    // The brackets of an IPv6 address keep its colons from the port's.
    let (host, port) = match place.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((host, rest)) => (host, rest.strip_prefix(':')),
        None => match place.split_once(':') {
            Some((host, port)) if !port.contains(':') => (host, Some(port)),
            Some(_) | None => (place, None),
        },
    };
    ensure!(!host.is_empty(), "`{named}` names no host");
    let port = port
        .map(|port| {
            port.parse()
                .with_context(|| format!("`{port}` in {named} is no port"))
        })
        .transpose()?;
    Ok((host.to_owned(), port, transport))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_is_named_as_a_host_or_as_browsers_take_it() {
        for (named, host, port, transport) in [
            ("meet.example.org", "meet.example.org", None, Transport::Udp),
            ("meet.example.org:9", "meet.example.org", Some(9), Transport::Udp),
            ("192.0.2.1:9", "192.0.2.1", Some(9), Transport::Udp),
            ("[2001:db8::1]:9", "2001:db8::1", Some(9), Transport::Udp),
            ("2001:db8::1", "2001:db8::1", None, Transport::Udp),
            ("stun:a", "a", None, Transport::Udp),
            ("turn:a:9?transport=udp", "a", Some(9), Transport::Udp),
            ("turn:a?transport=tcp", "a", None, Transport::Tcp),
            ("turns:a", "a", None, Transport::Tls),
            (
                "turns:[2001:db8::1]:443?transport=tcp",
                "2001:db8::1",
                Some(443),
                Transport::Tls,
            ),
        ] {
            assert_eq!(
                parts(named).unwrap(),
                (host.to_owned(), port, transport),
                "{named}"
            );
        }
    }

    #[test]
    fn what_is_no_server_is_refused_with_the_reason() {
        for (named, why) in [
            ("", "names no host"),
            ("turn:", "names no host"),
            ("a:b", "no port"),
            ("a:99999", "no port"),
            ("turns:a?transport=udp", "DTLS"),
            ("turn:a?transport=sctp", "no transport"),
        ] {
            let error = parts(named).unwrap_err().to_string();
            assert!(error.contains(why), "{named}: {error}");
        }
    }

    #[test]
    fn the_port_is_the_usual_one_of_its_transport() {
        let port = |named: &str, transport| Target::find(named, transport).unwrap().address.port();
        assert_eq!(port("127.0.0.1", None), 3478);
        assert_eq!(port("turns:127.0.0.1", None), 5349);
        assert_eq!(port("127.0.0.1", Some(Transport::Tls)), 5349);
        assert_eq!(port("127.0.0.1:443", Some(Transport::Tls)), 443);
    }
}

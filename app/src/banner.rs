//! What a person sees at the start: a few lines that say what runs where, and one link to open.

use std::{fmt, net::SocketAddr};

use trefoil_server::DoorSign;

/// What runs, and where it listens.
#[derive(Debug)]
pub(crate) struct Banner {
    /// Where rooms and signalling listen, if they run.
    pub(crate) rooms: Option<SocketAddr>,
    /// Where HTTPS and TURN over TLS share an address.
    pub(crate) https: Vec<SocketAddr>,
    /// Where STUN and TURN listen; empty if they do not run.
    pub(crate) relay: Vec<SocketAddr>,
    /// Where media goes through the server, if it does.
    pub(crate) media: Vec<SocketAddr>,
    /// The doors that are open besides our own.
    pub(crate) doors: Vec<DoorSign>,
    /// How the world reaches the page, if that was configured.
    pub(crate) public_url: Option<String>,
    /// Whether guests may join without a token.
    pub(crate) development: bool,
}

impl fmt::Display for Banner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Trefoil {}", env!("CARGO_PKG_VERSION"))?;
        if self.development {
            write!(f, ", development mode: guests may join, from this machine only")?;
        }
        writeln!(f, "\n")?;
        if let Some(rooms) = self.rooms {
            writeln!(f, "  rooms and signalling   {rooms} (HTTP, WebSocket)")?;
        }
        for https in &self.https {
            writeln!(f, "  the same over TLS      {https} (HTTPS, WebSocket, TURN)")?;
        }
        for relay in &self.relay {
            writeln!(f, "  STUN and TURN          {relay} (UDP, TCP)")?;
        }
        for media in &self.media {
            writeln!(f, "  group media            {media} (UDP, TCP)")?;
        }
        for DoorSign {
            door,
            listening,
            paths,
        } in &self.doors
        {
            let name = format!("door: {door}");
            write!(f, "  {name:<22} ")?;
            for address in listening {
                write!(f, "{address}, ")?;
            }
            writeln!(f, "and {paths} of the first")?;
        }
        if let Some(rooms) = self.rooms {
            let link = self
                .public_url
                .clone()
                .unwrap_or_else(|| format!("http://{rooms}"));
            writeln!(
                f,
                "\nOpen {}/ in two windows to call yourself. Ctrl-C stops everything.",
                link.trim_end_matches('/')
            )?;
        }
        if self.development {
            writeln!(
                f,
                "To serve others: a configuration with keys, see docs/CONFIG.md."
            )?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn development_mode_says_so_and_gives_one_link() {
        let banner = Banner {
            rooms: Some("127.0.0.1:8080".parse().unwrap()),
            https: Vec::new(),
            relay: vec!["127.0.0.1:3478".parse().unwrap()],
            media: Vec::new(),
            doors: vec![DoorSign {
                door: "apprtc",
                listening: vec!["127.0.0.1:8443".parse().unwrap()],
                paths: "/join/",
            }],
            public_url: None,
            development: true,
        };
        let text = banner.to_string();
        assert!(
            text.contains("development mode") && text.contains("127.0.0.1:3478"),
            "{text}"
        );
        assert_eq!(text.matches("http://").count(), 1, "{text}");
        assert!(
            text.contains("  door: apprtc           127.0.0.1:8443, and /join/ of the first\n"),
            "{text}"
        );
    }

    #[test]
    fn the_public_url_is_the_link_where_there_is_one() {
        let banner = Banner {
            rooms: Some("0.0.0.0:8080".parse().unwrap()),
            https: Vec::new(),
            relay: Vec::new(),
            media: Vec::new(),
            doors: Vec::new(),
            public_url: Some("https://meet.example.org/".to_owned()),
            development: false,
        };
        let text = banner.to_string();
        assert!(
            text.contains("Open https://meet.example.org/ in") && !text.contains("development"),
            "{text}"
        );
    }
}

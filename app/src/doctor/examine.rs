//! What is tried, in which order, and what each failure means.

use std::{
    fmt,
    net::{IpAddr, SocketAddr, UdpSocket},
    sync::Arc,
    time::Duration,
};

use rustls::ClientConfig;
use trefoil_stun::AttributeType;

use super::{
    client::{Client, Failure, NoTls},
    target::{Target, Transport},
};

const ECHO: &[u8] = b"trefoil doctor";
const ECHO_WAIT: Duration = Duration::from_secs(1);
const ECHO_TRIES: usize = 3;

/// One thing that was tried.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Finding {
    /// It works.
    Good(String),
    /// It could not be tried here, or is worth knowing.
    Note(String),
    /// It does not work, and what to do about it.
    Bad {
        /// What happened.
        what: String,
        /// What to do next.
        next: String,
    },
}

impl Finding {
    /// Whether a call would suffer from it.
    pub(crate) fn is_bad(&self) -> bool {
        matches!(self, Self::Bad { .. })
    }

    fn bad(what: impl Into<String>, next: impl Into<String>) -> Self {
        Self::Bad {
            what: what.into(),
            next: next.into(),
        }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Good(what) => write!(f, "ok    {what}"),
            Self::Note(what) => write!(f, "note  {what}"),
            Self::Bad { what, next } => write!(f, "FAIL  {what}\n      -> {next}"),
        }
    }
}

/// Tries everything that can be tried, telling each finding as it is made.
pub(crate) fn examine(
    target: &Target,
    tls: &Arc<ClientConfig>,
    (username, password): (&str, &str),
    tell: impl FnMut(&Finding),
) -> Vec<Finding> {
    let mut examination = Examination {
        target,
        tls,
        username,
        password,
        tell,
        findings: Vec::new(),
    };
    // What depends on something that failed is not tried: one cause, one line.
    let _ = examination.all();
    examination.findings
}

struct Examination<'a, Tell> {
    target: &'a Target,
    tls: &'a Arc<ClientConfig>,
    username: &'a str,
    password: &'a str,
    tell: Tell,
    findings: Vec<Finding>,
}

impl<Tell: FnMut(&Finding)> Examination<'_, Tell> {
    fn note(&mut self, finding: Finding) {
        (self.tell)(&finding);
        self.findings.push(finding);
    }

    /// Notes why a step failed and ends what depends on it.
    fn need<T>(&mut self, step: Result<T, Failure>, explain: impl FnOnce(&Failure) -> Finding) -> Option<T> {
        step.map_err(|failure| self.note(explain(&failure))).ok()
    }

    fn all(&mut self) -> Option<()> {
        let server = self.target.address;
        let mapped = self.stun()?;
        self.challenge()?;
        let (mut one, relayed) = self.allocate()?;
        self.reachable_address(relayed);
        let (mut other, other_relayed) = self.allocate()?;
        self.relay_to_relay(&mut one, relayed, &mut other, other_relayed);
        self.echo_from_outside(&mut one, relayed, mapped);
        for client in [&mut one, &mut other] {
            let released = client.release();
            self.need(released, |failure| {
                Finding::bad(
                    format!("{server} did not take an allocation back: {failure}"),
                    "it will end by itself after ten minutes",
                )
            });
        }
        Some(())
    }

    fn stranger(&self) -> Result<Client, Failure> {
        Client::new(self.target, self.tls, "", "")
    }

    fn stun(&mut self) -> Option<SocketAddr> {
        let answer = self.stranger().and_then(|mut client| client.binding());
        let target = self.target;
        let answer = self.need(answer, |failure| no_stun(target, failure))?;
        let Some(mapped) = answer.address(AttributeType::XOR_MAPPED_ADDRESS) else {
            self.note(Finding::bad(
                "the answer to a Binding request has no address in it",
                "this is not a STUN server, or something in between rewrites its answers",
            ));
            return None;
        };
        self.note(Finding::Good(format!("STUN answers; it sees you as {mapped}")));
        Some(mapped)
    }

    fn challenge(&mut self) -> Option<()> {
        let asked = self
            .stranger()
            .and_then(|mut client| client.allocate_as_stranger());
        let finding = match asked {
            Err(Failure::Refused(401)) => return Some(()),
            Ok(_) => Finding::bad(
                "the server relays for anybody, without credentials",
                "set relay.secrets: an open relay is found and abused within days",
            ),
            Err(failure) => Finding::bad(
                format!("STUN works, but a TURN Allocate got: {failure}"),
                "is this server STUN only? TURN must be on, at the same address and port",
            ),
        };
        self.note(finding);
        None
    }

    fn allocate(&mut self) -> Option<(Client, SocketAddr)> {
        let made = Client::new(self.target, self.tls, self.username, self.password).and_then(|mut client| {
            let answer = client.allocate()?;
            Ok((client, answer))
        });
        let (client, answer) = self.need(made, no_allocation)?;
        let Some(relayed) = answer.address(AttributeType::XOR_RELAYED_ADDRESS) else {
            self.note(Finding::bad(
                "an allocation without a relayed address",
                "the answer was cut or rewritten on its way",
            ));
            return None;
        };
        self.note(Finding::Good(format!(
            "TURN relays for these credentials, at {relayed}"
        )));
        Some((client, relayed))
    }

    fn reachable_address(&mut self, relayed: SocketAddr) {
        if is_private(relayed.ip()) && !is_private(self.target.address.ip()) {
            self.note(Finding::bad(
                format!("the relayed address {relayed} is private: nobody outside can send to it"),
                format!(
                    "the server stands behind one-to-one NAT: set relay.external_addresses = [\"{}\"]",
                    self.target.address.ip()
                ),
            ));
        }
    }

    fn relay_to_relay(
        &mut self,
        one: &mut Client,
        relayed: SocketAddr,
        other: &mut Client,
        other_relayed: SocketAddr,
    ) {
        let permitted = one.permit(other_relayed).and_then(|_| other.permit(relayed));
        let why = "two people who both need the relay could not call each other";
        if self
            .need(permitted, |failure| {
                Finding::bad(
                    format!("a permission for another relayed address of this server: {failure}"),
                    why,
                )
            })
            .is_none()
        {
            return;
        }
        let heard = repeat(|| one.send_to(other_relayed, ECHO), || other.receive(ECHO_WAIT));
        let finding = match heard {
            Ok((from, data)) if from == relayed && data == ECHO => {
                Finding::Good("relay to relay: data arrived whole".to_owned())
            }
            Ok((from, _)) => Finding::bad(
                format!("relay to relay: data came from {from} instead of {relayed}"),
                why,
            ),
            Err(failure) => Finding::bad(format!("relay to relay: {failure}"), why),
        };
        self.note(finding);
    }

    /// A socket of ours stands for the peer: it sends to the relayed address from outside, and is answered.
    fn echo_from_outside(&mut self, one: &mut Client, relayed: SocketAddr, mapped: SocketAddr) {
        if is_private(mapped.ip()) {
            let why =
                "TURN rightly refuses private peers, so no echo from outside; run this from another network";
            return self.note(Finding::Note(format!(
                "you are {}, a private address: {why}",
                mapped.ip()
            )));
        }
        let permitted = one.permit(mapped);
        if self
            .need(permitted, |failure| {
                Finding::bad(
                    format!("a permission for your own address {mapped}: {failure}"),
                    "is your network on the server's relay.deny_peers, or is the server on your own machine?",
                )
            })
            .is_none()
        {
            return;
        }
        let finding = match echo(one, relayed) {
            Ok(()) => Finding::Good(format!(
                "a relayed echo: UDP from outside reaches {relayed} and comes back"
            )),
            Err(failure) => Finding::bad(
                format!("UDP from outside does not reach the relayed address {relayed}: {failure}"),
                "open the whole relay.port_range (UDP) in the firewall of the machine and of the provider",
            ),
        };
        self.note(finding);
    }
}

fn echo(client: &mut Client, relayed: SocketAddr) -> Result<(), Failure> {
    let local = |error: std::io::Error| Failure::Local(error.to_string());
    let peer = UdpSocket::bind(if relayed.is_ipv4() { "0.0.0.0:0" } else { "[::]:0" }).map_err(local)?;
    peer.set_read_timeout(Some(ECHO_WAIT)).map_err(local)?;
    let (from, _) = repeat(
        || peer.send_to(ECHO, relayed).map(drop).map_err(local),
        || client.receive(ECHO_WAIT),
    )?;
    let mut buffer = [0; 64];
    let (length, sender) = repeat(
        || client.send_to(from, ECHO),
        || peer.recv_from(&mut buffer).map_err(|_| Failure::Silence),
    )?;
    if sender == relayed && buffer.get(..length) == Some(ECHO) {
        Ok(())
    } else {
        Err(Failure::Nonsense)
    }
}

/// UDP loses packets: says it again until it is heard.
fn repeat<T>(
    mut say: impl FnMut() -> Result<(), Failure>,
    mut hear: impl FnMut() -> Result<T, Failure>,
) -> Result<T, Failure> {
    let mut last = Failure::Silence;
    for _ in 0..ECHO_TRIES {
        match say().and_then(|()| hear()) {
            Ok(heard) => return Ok(heard),
            Err(failure) => last = failure,
        }
    }
    Err(last)
}

fn no_stun(target: &Target, failure: &Failure) -> Finding {
    let (port, transport) = (target.address.port(), target.transport);
    let setting = match transport {
        Transport::Udp => "relay.listen",
        Transport::Tcp => "relay.listen with relay.tcp",
        Transport::Tls => "relay.tls.listen or https.listen",
    };
    // On the wire TLS is TCP, which is what firewalls know.
    let opened = match transport {
        Transport::Udp => "UDP",
        Transport::Tcp | Transport::Tls => "TCP",
    };
    let next = match failure {
        Failure::Unreachable => format!(
            "start the server, or look which port it listens on ({setting}): nothing has {opened} {port} open"
        ),
        Failure::Silence => format!(
            "open {opened} {port} in the firewall, here and there; try from another network: some let little out"
        ),
        Failure::Closed => match transport {
            Transport::Tls => format!(
                "something on {port} takes connections and speaks no TLS: is it the port of {setting}?"
            ),
            Transport::Udp | Transport::Tcp => format!(
                "something on {port} takes connections and speaks no TURN, or {target} has too many of yours \
                 (relay.connections_per_source)"
            ),
        },
        Failure::Tls(why, _) => no_tls(target, *why),
        Failure::Refused(_) | Failure::Nonsense => {
            "something else than a STUN server answers there".to_owned()
        }
        Failure::Local(_) => "look at this machine's own network first".to_owned(),
    };
    Finding::bad(format!("STUN at {target}: {failure}"), next)
}

/// What to do about a handshake that failed.
fn no_tls(target: &Target, why: NoTls) -> String {
    let host = &target.host;
    match why {
        NoTls::Untrusted => {
            "no browser would trust this certificate: serve the whole chain (fullchain.pem) of a public \
                             authority; if it is your own authority's, name that with --ca"
                .to_owned()
        }
        NoTls::OtherName => {
            format!("ask for the server under the name that its certificate is for, or get one for {host}")
        }
        NoTls::Expired => {
            "renew the certificate (the server reads the new file within ten seconds), or set the clock \
                           of this machine"
                .to_owned()
        }
        NoTls::Other => format!(
            "is {} the port of relay.tls.listen or https.listen? Something else answers there",
            target.address.port()
        ),
    }
}

fn no_allocation(failure: &Failure) -> Finding {
    let next = match failure {
        Failure::Refused(401 | 441) => {
            "the server does not know these credentials: the secret differs from its own, or its clock is wrong, or they have expired"
        }
        Failure::Refused(438) => {
            "the server finds every nonce stale: is its clock jumping, or do several servers share one address?"
        }
        Failure::Refused(486) => {
            "this name has as many allocations as it may: raise the quota, or look who leaves them behind"
        }
        Failure::Refused(508) => "the server has no relay port left: widen relay.port_range",
        Failure::Refused(300) => "the server is draining and names another: it is about to stop",
        Failure::Silence => {
            "the credentials' answer got lost, though a smaller one arrived: look for a firewall that drops larger UDP packets"
        }
        Failure::Closed => {
            "the server closed the connection: has it restarted, or has it too many connections?"
        }
        Failure::Refused(_)
        | Failure::Unreachable
        | Failure::Tls(..)
        | Failure::Nonsense
        | Failure::Local(_) => "look into the server's log at level debug",
    };
    Finding::bad(format!("an allocation: {failure}"), next)
}

fn is_private(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(v4) => {
            v4.is_private()
                || v4.is_loopback()
                || v4.is_link_local()
                || (v4.octets()[0] == 100 && v4.octets()[1] & 0xC0 == 64)
        }
        IpAddr::V6(v6) => {
            v6.is_loopback() || v6.segments()[0] & 0xFE00 == 0xFC00 || v6.segments()[0] & 0xFFC0 == 0xFE80
        }
    }
}

//! `trefoil check --coturn FILE`: a turnserver.conf said again in Trefoil's words.

use std::{collections::BTreeMap, fmt::Write as _, net::IpAddr};

use super::ranges::networks_of;

/// What becomes of one of coturn's options.
enum Fate {
    /// It has a setting of its own here.
    Carried(fn(&mut Draft, &str) -> Result<(), String>),
    /// Trefoil does so anyway.
    Always(&'static str),
    /// It has no place here, and why.
    Left(&'static str),
}

use Fate::{Always, Carried, Left};

const DATABASE: &str =
    "names are in the configuration, or in time-limited credentials: Trefoil needs no database";
const TUNED: &str = "Trefoil has one thread for each core and needs no tuning here";

/// coturn's options (its README.turnserver), each with its fate.
#[allow(clippy::unit_arg, reason = "a row of the table is one expression")]
const OPTIONS: &[(&str, Fate)] = &[
    (
        "listening-port",
        Carried(|draft, value| Ok(draft.port = number(value)?)),
    ),
    (
        "listening-ip",
        Carried(|draft, value| Ok(draft.listen.push(address(value)?))),
    ),
    (
        "relay-ip",
        Carried(|draft, value| Ok(draft.relay.push(address(value)?))),
    ),
    ("external-ip", Carried(Draft::external_ip)),
    (
        "min-port",
        Carried(|draft, value| Ok(draft.ports.0 = number(value)?)),
    ),
    (
        "max-port",
        Carried(|draft, value| Ok(draft.ports.1 = number(value)?)),
    ),
    (
        "realm",
        Carried(|draft, value| draft.text("relay", "realm", value)),
    ),
    ("user", Carried(Draft::user)),
    (
        "static-auth-secret",
        Carried(|draft, value| Ok(draft.secrets.push(value.to_owned()))),
    ),
    (
        "user-quota",
        Carried(|draft, value| draft.limit("relay", "allocations_per_username", value)),
    ),
    (
        "total-quota",
        Carried(|draft, value| draft.limit("relay", "allocations", value)),
    ),
    ("max-bps", Carried(Draft::bytes_per_second)),
    (
        "max-allocate-lifetime",
        Carried(|draft, value| draft.limit("relay", "longest_lifetime_seconds", value)),
    ),
    (
        "allowed-peer-ip",
        Carried(|draft, value| Ok(draft.allowed.extend(networks_of(value)?))),
    ),
    (
        "denied-peer-ip",
        Carried(|draft, value| Ok(draft.denied.extend(networks_of(value)?))),
    ),
    (
        "allow-loopback-peers",
        Carried(|draft, _| {
            Ok(draft
                .allowed
                .extend(["127.0.0.0/8", "::1/128"].map(str::to_owned)))
        }),
    ),
    (
        "cert",
        Carried(|draft, value| draft.text("relay.tls", "certificate", value)),
    ),
    (
        "pkey",
        Carried(|draft, value| draft.text("relay.tls", "key", value)),
    ),
    (
        "tls-listening-port",
        Carried(|draft, value| Ok(draft.tls_port = Some(number(value)?))),
    ),
    ("no-tls", Carried(|draft, _| Ok(draft.no_tls = true))),
    ("no-tcp", Carried(|draft, _| draft.switch_off("tcp"))),
    ("no-dtls", Always("DTLS is off unless it is asked for")),
    ("verbose", Carried(|draft, _| draft.text("log", "level", "debug"))),
    (
        "use-auth-secret",
        Always("time-limited credentials are on as soon as relay.secrets has one"),
    ),
    ("lt-cred-mech", Always("long-term credentials are the only kind")),
    (
        "fingerprint",
        Always("a FINGERPRINT is answered to who sends one"),
    ),
    (
        "no-multicast-peers",
        Always("multicast is among the special-purpose addresses that are refused"),
    ),
    (
        "no-loopback-peers",
        Always("loopback is among the special-purpose addresses that are refused"),
    ),
    ("no-cli", Always("there is no telnet console")),
    ("no-rfc5780", Always("behaviour discovery is off")),
    ("no-software-attribute", Always("replies never name the software")),
    (
        "no-stun-backward-compatibility",
        Always("RFC 3489 is not answered"),
    ),
    (
        "response-origin-only-with-rfc5780",
        Always("replies carry no more than they must"),
    ),
    (
        "stale-nonce",
        Always("a nonce proves its own age and is stored nowhere"),
    ),
    (
        "secure-stun",
        Left("a Binding request needs no credentials, and its answer is no larger than it must be"),
    ),
    (
        "log-file",
        Left("the log goes to standard error: let the service manager keep it"),
    ),
    ("simple-log", Left("the log goes to standard error")),
    (
        "syslog",
        Left("the log goes to standard error: let the service manager keep it"),
    ),
    ("no-stdout-log", Left("the log goes to standard error")),
    ("pidfile", Left("let the service manager keep the process")),
    ("proc-user", Left("let the service manager choose who runs it")),
    ("proc-group", Left("let the service manager choose who runs it")),
    ("prometheus", Left("GET /metrics of the room server")),
    ("relay-threads", Left(TUNED)),
    ("udp-self-balance", Left(TUNED)),
    ("userdb", Left(DATABASE)),
    ("psql-userdb", Left(DATABASE)),
    ("mysql-userdb", Left(DATABASE)),
    ("mongo-userdb", Left(DATABASE)),
    ("redis-userdb", Left(DATABASE)),
    ("redis-statsdb", Left("GET /metrics has the figures")),
    (
        "web-admin",
        Left("there is no web console: the HTTP API and /metrics"),
    ),
    ("server-name", Left("used by coturn's OAuth only")),
];

/// What was read so far.
#[derive(Debug)]
struct Draft {
    port: u16,
    tls_port: Option<u16>,
    no_tls: bool,
    listen: Vec<IpAddr>,
    relay: Vec<IpAddr>,
    external: Vec<IpAddr>,
    ports: (u16, u16),
    secrets: Vec<String>,
    names: Vec<(String, String)>,
    allowed: Vec<String>,
    denied: Vec<String>,
    settings: BTreeMap<&'static str, Vec<(&'static str, toml::Value)>>,
    notes: Vec<String>,
}

/// A turnserver.conf as Trefoil's TOML. What could not be carried over, and what need not be, stands in it as comments.
pub(super) fn converted(file: &str) -> String {
    let mut draft = Draft::new();
    for (at, line) in file.lines().enumerate() {
        let line = line.trim();
        if !line.is_empty() && !line.starts_with('#') {
            draft.option(at + 1, line);
        }
    }
    draft.page()
}

/// coturn takes `name=value`, `name value` and `name`.
fn name_and_value(line: &str) -> (&str, &str) {
    let (name, value) = line.split_once(['=', ' ', '\t']).unwrap_or((line, ""));
    (
        name.trim(),
        value.trim().trim_start_matches('=').trim().trim_matches('"'),
    )
}

fn number<N: std::str::FromStr>(value: &str) -> Result<N, String> {
    value
        .parse()
        .map_err(|_| "it is not a number that fits".to_owned())
}

fn address(value: &str) -> Result<IpAddr, String> {
    value
        .parse()
        .map_err(|_| "it is not an IP address (interface names are not carried over)".to_owned())
}

impl Draft {
    fn new() -> Self {
        Self {
            port: 3478,
            tls_port: None,
            no_tls: false,
            listen: Vec::new(),
            relay: Vec::new(),
            external: Vec::new(),
            ports: (49152, 65535),
            secrets: Vec::new(),
            names: Vec::new(),
            allowed: Vec::new(),
            denied: Vec::new(),
            settings: BTreeMap::new(),
            notes: Vec::new(),
        }
    }

    fn option(&mut self, at: usize, line: &str) {
        let (name, value) = name_and_value(line);
        let fate = OPTIONS
            .iter()
            .find(|(option, _)| *option == name)
            .map(|(_, fate)| fate);
        // A value may be a secret, so notes name the option only.
        let note = match fate {
            Some(Carried(carry)) => carry(self, value)
                .err()
                .map(|why| format!("NOT carried over: {name} (line {at}): {why}")),
            Some(Always(why)) => Some(format!("not needed: {name}: {why}")),
            Some(Left(why)) => Some(format!("left out: {name}: {why}")),
            None => Some(format!(
                "NOT carried over: {name} (line {at}): Trefoil has nothing like it"
            )),
        };
        self.notes.extend(note);
    }

    fn text(&mut self, table: &'static str, name: &'static str, value: &str) -> Result<(), String> {
        self.settings.entry(table).or_default().push((name, value.into()));
        Ok(())
    }

    fn switch_off(&mut self, name: &'static str) -> Result<(), String> {
        self.settings
            .entry("relay")
            .or_default()
            .push((name, false.into()));
        Ok(())
    }

    fn limit(&mut self, table: &'static str, name: &'static str, value: &str) -> Result<(), String> {
        let number: i64 = number(value)?;
        // Zero means "no limit" to coturn, and so does leaving it out here keep the default.
        if number > 0 {
            self.settings
                .entry(table)
                .or_default()
                .push((name, number.into()));
        }
        Ok(())
    }

    /// coturn counts bytes, whatever the option's name says.
    fn bytes_per_second(&mut self, value: &str) -> Result<(), String> {
        let bytes: u64 = number(value)?;
        self.limit("relay", "bits_per_second", &bytes.saturating_mul(8).to_string())
    }

    /// `public` or `public/private`.
    fn external_ip(&mut self, value: &str) -> Result<(), String> {
        let (public, private) = value
            .split_once('/')
            .map_or((value, None), |(public, private)| (public, Some(private)));
        let public = address(public)?;
        if self
            .external
            .iter()
            .any(|other| other.is_ipv4() == public.is_ipv4())
        {
            return Err("one external address of each family is carried over".to_owned());
        }
        self.external.push(public);
        if let Some(private) = private {
            self.relay.push(address(private)?);
        }
        Ok(())
    }

    /// `name:password`; a password that is already a key (0x...) cannot be carried over.
    fn user(&mut self, value: &str) -> Result<(), String> {
        match value.split_once(':') {
            Some((_, key)) if key.starts_with("0x") => {
                Err("it holds a key instead of a password: write the password".to_owned())
            }
            Some((name, password)) => {
                self.names.push((name.to_owned(), password.to_owned()));
                Ok(())
            }
            None => Err("it is not name:password".to_owned()),
        }
    }

    fn page(mut self) -> String {
        let mut page = String::from("# Made from a turnserver.conf.\n");
        for note in std::mem::take(&mut self.notes) {
            let _ = writeln!(page, "# {note}");
        }
        let _ = writeln!(page, "\n[relay]");
        let port = self.port;
        let _ = writeln!(page, "listen = {}", list(&self.sockets(port)));
        let _ = writeln!(page, "port_range = \"{}-{}\"", self.ports.0, self.ports.1);
        let shown = |list: &[IpAddr]| list.iter().map(ToString::to_string).collect();
        let lists: [(&str, Vec<String>); 5] = [
            ("relay_addresses", shown(&self.relay)),
            ("external_addresses", shown(&self.external)),
            ("secrets", self.secrets.clone()),
            ("allow_peers", self.allowed.clone()),
            ("deny_peers", self.denied.clone()),
        ];
        for (name, values) in &lists {
            if !values.is_empty() {
                let _ = writeln!(page, "{name} = {}", list(values));
            }
        }
        let settings = self.settings.remove("relay").unwrap_or_default();
        let listen = list(&self.sockets(self.tls_port.unwrap_or(5349)));
        match self.settings.get_mut("relay.tls") {
            Some(tls) if !self.no_tls => tls.push(("listen", listen)),
            _ => drop(self.settings.remove("relay.tls")),
        }
        for (name, value) in settings {
            let _ = writeln!(page, "{name} = {value}");
        }
        if !self.names.is_empty() {
            let names = self
                .names
                .iter()
                .map(|(name, password)| (name.clone(), toml::Value::from(password.as_str())));
            let _ = writeln!(page, "\n[relay.users]\n{}", toml::Table::from_iter(names));
        }
        for (table, settings) in self.settings {
            let _ = writeln!(page, "\n[{table}]");
            for (name, value) in settings {
                let _ = writeln!(page, "{name} = {value}");
            }
        }
        page
    }

    /// coturn without an address listens on all of them.
    fn sockets(&self, port: u16) -> Vec<String> {
        let all = ["0.0.0.0".parse().ok(), "::".parse().ok()];
        let listen = if self.listen.is_empty() {
            all.into_iter().flatten().collect()
        } else {
            self.listen.clone()
        };
        listen
            .iter()
            .map(|ip: &IpAddr| std::net::SocketAddr::new(*ip, port).to_string())
            .collect()
    }
}

fn list(values: &[String]) -> toml::Value {
    toml::Value::from(values.to_vec())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;

    const TYPICAL: &str = "
# a usual file
listening-port=3478
tls-listening-port=5349
listening-ip=198.51.100.7
external-ip=203.0.113.5/198.51.100.7
min-port=50000
max-port=60000
fingerprint
use-auth-secret
static-auth-secret=north-star
realm=turn.example.org
user-quota=12
total-quota=1200
max-bps=64000
denied-peer-ip=10.0.0.0-10.255.255.255
allowed-peer-ip=10.1.2.3
no-cli
cert=/etc/ssl/turn.pem
pkey=/etc/ssl/turn.key
mysql-userdb=\"host=localhost\"
frobnicate=9
";

    #[test]
    fn a_usual_file_becomes_a_configuration_that_is_accepted() {
        let page = converted(TYPICAL);
        let config: Config = toml::from_str(&page).unwrap_or_else(|error| panic!("{error}\n{page}"));
        assert_eq!(config.relay.listen, ["198.51.100.7:3478".parse().unwrap()]);
        assert_eq!(
            config.relay.external_addresses,
            ["203.0.113.5".parse::<IpAddr>().unwrap()]
        );
        assert_eq!(config.relay.realm, "turn.example.org");
        assert!(
            page.contains("port_range = \"50000-60000\"") && page.contains("\"10.0.0.0/8\""),
            "{page}"
        );
        assert!(page.contains("bits_per_second = 512000"), "{page}");
    }

    #[test]
    fn what_could_not_be_carried_over_is_said_without_its_value() {
        let page = converted(TYPICAL);
        assert!(
            page.contains("# NOT carried over: frobnicate (line 22)"),
            "{page}"
        );
        assert!(
            page.contains("# left out: mysql-userdb:") && !page.contains("localhost"),
            "{page}"
        );
        assert!(page.contains("# not needed: fingerprint:"), "{page}");
        assert!(converted("user=ann:0x1234").contains("# NOT carried over: user"));
    }

    #[test]
    fn no_tls_wins_over_a_certificate_wherever_it_stands() {
        for file in ["no-tls\ncert=a\npkey=b", "cert=a\npkey=b\nno-tls"] {
            let page = converted(file);
            assert!(
                !page.contains("relay.tls") && !page.contains("certificate ="),
                "{page}"
            );
        }
    }

    #[test]
    fn every_spelling_of_an_option_is_understood() {
        for line in ["realm=a", "realm a", "realm = a", " realm\ta", "realm=\"a\""] {
            assert!(converted(line).contains("realm = \"a\""), "{line}");
        }
    }
}

//! What can be configured; docs/CONFIG.md is made from these types.

use std::{
    net::{IpAddr, SocketAddr},
    time::Duration,
};

use anyhow::{Context, bail, ensure};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use trefoil_auth::{ApiKey, Secret};
use trefoil_native::{GuardLimits, OutboxLimits};
use trefoil_room::{DirectoryLimits, RoomSettings, Rules, Topology};

use crate::{AnnouncementsConfig, DoorsConfig, proxies::Proxies};

/// The room server and its signalling.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct ServerConfig {
    /// Addresses (`ip:port`) on which HTTP and WebSocket are served.
    pub listen: Vec<SocketAddr>,
    /// The `http://` or `https://` URL under which clients reach this server, if a proxy is before it. Without one,
    /// clients are told to signal to the host that they already talk to. Setting it ends development mode.
    pub public_url: Option<String>,
    /// Who may sign join tokens and use the administration interface. Without any, the server is in development mode:
    /// it serves loopback only, and guests may join without a token.
    pub keys: Vec<KeyConfig>,
    /// Origins (`https://app.example.org`) whose pages may use this server, besides the server's own page.
    pub origins: Vec<String>,
    /// Addresses (`192.0.2.1`) and networks (`10.0.0.0/8`) of reverse proxies. The limit of connections does not apply to
    /// them but to the clients behind them, whose address is the last one in `X-Forwarded-For` that is not in this list.
    pub trusted_proxies: Vec<String>,
    /// What one client, one address and one namespace may use.
    pub limits: LimitsConfig,
    /// How rooms are set up unless an administrator says otherwise.
    pub rooms: RoomsConfig,
    /// How vanished clients are noticed and how long they may come back.
    pub heartbeat: HeartbeatConfig,
    /// Join tokens.
    pub tokens: TokensConfig,
    /// ICE servers as clients are told of them.
    pub ice: IceConfig,
    /// Doors for clients of other systems.
    pub doors: DoorsConfig,
    /// Gateways that come in with plain RTP.
    pub plain_rtp: PlainRtpConfig,
    /// Sounds that are played into rooms.
    pub announcements: AnnouncementsConfig,
}

impl Default for ServerConfig {
    fn default() -> Self {
        Self {
            listen: vec![SocketAddr::from(([127, 0, 0, 1], 8080))],
            public_url: None,
            keys: Vec::new(),
            origins: Vec::new(),
            trusted_proxies: vec!["127.0.0.1".into(), "::1".into()],
            limits: LimitsConfig::default(),
            rooms: RoomsConfig::default(),
            heartbeat: HeartbeatConfig::default(),
            tokens: TokensConfig::default(),
            ice: IceConfig::default(),
            doors: DoorsConfig::default(),
            plain_rtp: PlainRtpConfig::default(),
            announcements: AnnouncementsConfig::default(),
        }
    }
}

/// An API key: whoever holds its secret may sign join tokens and administer rooms.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct KeyConfig {
    /// The key's name: the issuer of its tokens, and the name for HTTP Basic.
    pub key: String,
    /// The key's secret, at least 32 bytes.
    pub secret: Secret,
    /// The only namespace that it may open and administer; all where it is left out.
    #[serde(default)]
    pub namespace: Option<String>,
}

/// What one client, one address and one namespace may use.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct LimitsConfig {
    /// The largest message of the signalling protocol, in bytes.
    pub message_bytes: usize,
    /// Messages that a client may send each second, on average.
    pub messages_per_second: u32,
    /// Messages that a client may send at once.
    pub message_burst: u32,
    /// So many messages over the rate in a row end a connection.
    pub dropped_in_a_row: u32,
    /// So many malformed messages end a connection.
    pub malformed_messages: u32,
    /// Messages that may wait for a client to read them, and that are kept for it to resume.
    pub waiting_messages: usize,
    /// Bytes of messages that may wait for a client to read them, and that are kept for it to resume.
    pub waiting_bytes: usize,
    /// TCP connections from one address (IPv6: from one /64 network), and as many sessions at the Socket.IO door; 0 is no
    /// limit.
    pub connections_per_address: u32,
    /// How long a WebSocket may stay without a `join`, in seconds.
    pub join_seconds: f64,
    /// How long a client may take to send the head of an HTTP request, in seconds.
    pub header_seconds: f64,
    /// How long a client may take to send the body of an HTTP request, in seconds.
    pub body_seconds: f64,
    /// The largest body of an HTTP request, in bytes.
    pub body_bytes: usize,
    /// Namespaces on this server.
    pub namespaces: usize,
    /// Rooms in a namespace for which nothing else was set.
    pub rooms_per_namespace: usize,
}

impl Default for LimitsConfig {
    fn default() -> Self {
        let (guard, outbox) = (GuardLimits::default(), OutboxLimits::default());
        Self {
            message_bytes: 64 * 1024,
            messages_per_second: guard.messages_per_second,
            message_burst: guard.burst,
            dropped_in_a_row: guard.dropped_in_a_row,
            malformed_messages: guard.malformed,
            waiting_messages: outbox.messages,
            waiting_bytes: outbox.bytes,
            connections_per_address: 200,
            join_seconds: 10.0,
            header_seconds: 10.0,
            body_seconds: 10.0,
            body_bytes: 16 * 1024,
            namespaces: 1000,
            rooms_per_namespace: 1000,
        }
    }
}

/// How rooms are set up unless an administrator says otherwise.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct RoomsConfig {
    /// Seats in a room.
    pub member_limit: u32,
    /// How media travels: `p2p`; `sfu`; `mixed`, where each hears all others in one stream; or `auto`, which is `p2p` for two and
    /// `sfu` from the third on.
    pub topology: TopologyConfig,
    /// How long an empty room stays, in seconds; 0 is for ever.
    pub empty_timeout_seconds: u64,
    /// Whether a join makes a room that does not exist.
    pub create_on_join: bool,
    /// What guests are in development mode: `moderator`, `speaker` or `viewer`.
    #[schemars(with = "String")]
    pub guest_role: trefoil_auth::Role,
    /// How long somebody who was removed stays out, in seconds.
    pub kick_seconds: f64,
    /// How long a room that was deleted is not made again by a join, in seconds.
    pub closed_seconds: f64,
}

impl Default for RoomsConfig {
    fn default() -> Self {
        Self {
            member_limit: 16,
            topology: TopologyConfig::Auto,
            empty_timeout_seconds: 300,
            create_on_join: true,
            guest_role: trefoil_auth::Role::Speaker,
            kick_seconds: 60.0,
            closed_seconds: 60.0,
        }
    }
}

/// How media travels between the people of a room.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum TopologyConfig {
    /// Everybody sends to everybody.
    P2p,
    /// Through a Selective Forwarding Middlebox.
    Sfu,
    /// Through a mixer.
    Mixed,
    /// Each to each for two, forwarded from the third on.
    Auto,
}

/// Gateways that come in with plain RTP, as SIP gateways and ffmpeg do.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct PlainRtpConfig {
    /// Whether administrators may let them in. What they send and receive is in the clear unless keys are given.
    pub enabled: bool,
    /// Where gateways send to and are sent from, on the media port, if media listens on all addresses. Loopback is for those on
    /// this machine.
    pub address: IpAddr,
    /// Gateways elsewhere, by address; on this machine they need not be named.
    pub peers: Vec<IpAddr>,
}

impl Default for PlainRtpConfig {
    fn default() -> Self {
        Self {
            enabled: false,
            address: IpAddr::from([127, 0, 0, 1]),
            peers: Vec::new(),
        }
    }
}

/// How vanished clients are noticed and how long they may come back.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct HeartbeatConfig {
    /// How often each client is pinged, in seconds.
    pub ping_seconds: f64,
    /// After so much silence a client is away and its connection closed, in seconds.
    pub away_seconds: f64,
    /// After so much silence a client's seat is free, in seconds.
    pub seat_seconds: f64,
    /// For how long after a break a session can be resumed, in seconds.
    pub resume_seconds: f64,
}

impl Default for HeartbeatConfig {
    fn default() -> Self {
        Self {
            ping_seconds: 10.0,
            away_seconds: 15.0,
            seat_seconds: 18.0,
            resume_seconds: 30.0,
        }
    }
}

/// Join tokens.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct TokensConfig {
    /// How long a token opens its room where `POST /v1/tokens` does not say, and for guests, in seconds.
    pub ttl_seconds: u64,
    /// The longest that `POST /v1/tokens` may ask for, in seconds.
    pub ttl_seconds_limit: u64,
}

impl Default for TokensConfig {
    fn default() -> Self {
        Self {
            ttl_seconds: 6 * 3600,
            ttl_seconds_limit: 30 * 24 * 3600,
        }
    }
}

/// ICE servers as clients are told of them.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct IceConfig {
    /// How long TURN credentials last, in seconds.
    pub ttl_seconds: u64,
}

impl Default for IceConfig {
    fn default() -> Self {
        Self { ttl_seconds: 3600 }
    }
}

/// The ICE servers that clients are told of; `{host}` in a URL is replaced by the host name that the client used.
#[derive(Clone, Debug)]
pub struct IceServers {
    /// `stun:` URLs.
    pub stun_urls: Vec<String>,
    /// `turn:` and `turns:` URLs.
    pub turn_urls: Vec<String>,
    /// The secret that the TURN server shares with this one; without it, `turn_urls` are told without credentials.
    pub secret: Option<Secret>,
}

/// The shortest secret of an API key, in bytes: as long as HS256's digest (RFC 7518 section 3.2).
const SECRET_BYTES: usize = 32;

impl ServerConfig {
    /// Whether guests may join without a token: nobody has keys.
    #[must_use]
    pub const fn is_development(&self) -> bool {
        self.keys.is_empty()
    }

    /// Checks what the types cannot.
    ///
    /// # Errors
    /// What is wrong, where, and what to do.
    pub fn check(&self) -> anyhow::Result<()> {
        ensure!(
            !self.listen.is_empty(),
            "listen is empty: give at least one address, such as 127.0.0.1:8080"
        );
        if self.is_development() {
            self.check_development()?;
        }
        for (place, key) in self.keys.iter().enumerate() {
            ensure!(
                !key.key.is_empty() && !key.key.contains(':'),
                "keys[{place}].key is empty or has a colon: name it otherwise"
            );
            ensure!(
                key.secret.len() >= SECRET_BYTES,
                "keys[{place}].secret is shorter than {SECRET_BYTES} bytes: make one with `openssl rand -hex 32`"
            );
            ensure!(
                self.keys.iter().filter(|other| other.key == key.key).count() == 1,
                "keys[{place}].key names the same key as another: give each a name of its own"
            );
        }
        if let Some(url) = &self.public_url {
            let rest = url
                .strip_prefix("https://")
                .or_else(|| url.strip_prefix("http://"));
            let host = rest.context("public_url must start with https:// or http://")?;
            ensure!(
                !host.trim_end_matches('/').is_empty(),
                "public_url names no host: write https://meet.example.org"
            );
        }
        for origin in &self.origins {
            let rest = origin
                .strip_prefix("https://")
                .or_else(|| origin.strip_prefix("http://"));
            let good = rest.is_some_and(|host| !host.is_empty() && !host.contains(['/', '*']));
            ensure!(
                good,
                "origins has {origin:?}: write scheme and host only, such as https://app.example.org"
            );
        }
        Proxies::parse(&self.trusted_proxies)?;
        self.doors.check()?;
        self.announcements.check()?;
        self.check_times()
    }

    fn check_development(&self) -> anyhow::Result<()> {
        let how = "add an API key to the configuration (keys = [{ key = \"main\", secret = \"...\" }]), then make join \
                   tokens with `trefoil token` or POST /v1/tokens";
        let doors = &self.doors;
        let own = [
            &doors.apprtc.listen,
            &doors.devices.listen,
            &doors.dotvoice.listen,
        ];
        let own = own.into_iter().flatten().flatten().chain(&doors.socketio.listen);
        let mut all = self.listen.iter().chain(own);
        if let Some(address) = all.find(|address| !address.ip().is_loopback()) {
            bail!(
                "without keys anybody could join, so only loopback is served, but listen has {address}: {how}"
            );
        }
        if self.public_url.is_some() {
            bail!("without keys anybody could join, but public_url is set: {how}");
        }
        Ok(())
    }

    fn check_times(&self) -> anyhow::Result<()> {
        let HeartbeatConfig {
            ping_seconds,
            away_seconds,
            seat_seconds,
            resume_seconds,
        } = self.heartbeat;
        let all = [
            ("heartbeat.ping_seconds", ping_seconds),
            ("heartbeat.away_seconds", away_seconds),
            ("heartbeat.seat_seconds", seat_seconds),
            ("heartbeat.resume_seconds", resume_seconds),
            ("limits.join_seconds", self.limits.join_seconds),
            ("limits.header_seconds", self.limits.header_seconds),
            ("limits.body_seconds", self.limits.body_seconds),
            ("rooms.kick_seconds", self.rooms.kick_seconds),
            ("rooms.closed_seconds", self.rooms.closed_seconds),
        ];
        for (name, seconds) in all {
            ensure!(
                (0.01..=1e6).contains(&seconds),
                "{name} is {seconds}: give 0.01 to 1000000 seconds"
            );
        }
        ensure!(
            ping_seconds < away_seconds && away_seconds <= seat_seconds && seat_seconds <= resume_seconds,
            "heartbeat: ping_seconds < away_seconds <= seat_seconds <= resume_seconds must hold"
        );
        ensure!(
            self.ice.ttl_seconds >= 60,
            "ice.ttl_seconds is under 60: credentials would expire during a call's start"
        );
        Ok(())
    }

    pub(crate) fn api_keys(&self) -> Vec<ApiKey> {
        let key = |config: &KeyConfig| ApiKey {
            key: config.key.clone(),
            secret: config.secret.clone(),
            namespace: config.namespace.clone(),
        };
        self.keys.iter().map(key).collect()
    }

    pub(crate) fn room_settings(&self) -> RoomSettings {
        RoomSettings {
            member_limit: self.rooms.member_limit,
            topology: match self.rooms.topology {
                TopologyConfig::P2p => Topology::P2p,
                TopologyConfig::Sfu => Topology::Sfu,
                TopologyConfig::Mixed => Topology::Mixed,
                TopologyConfig::Auto => Topology::Auto,
            },
            locked: false,
            encrypted: false,
            empty_timeout: empty_timeout(self.rooms.empty_timeout_seconds),
        }
    }

    pub(crate) fn rules(&self, media_server: bool) -> Rules {
        Rules {
            seat_freed_after: seconds(self.heartbeat.seat_seconds),
            resume_window: seconds(self.heartbeat.resume_seconds),
            kick_lasts: seconds(self.rooms.kick_seconds),
            media_server,
        }
    }

    pub(crate) fn directory_limits(&self) -> DirectoryLimits {
        DirectoryLimits {
            namespaces: self.limits.namespaces,
            rooms: self.limits.rooms_per_namespace,
            closed_for: seconds(self.rooms.closed_seconds),
        }
    }

    pub(crate) const fn guard_limits(&self) -> GuardLimits {
        GuardLimits {
            messages_per_second: self.limits.messages_per_second,
            burst: self.limits.message_burst,
            dropped_in_a_row: self.limits.dropped_in_a_row,
            malformed: self.limits.malformed_messages,
        }
    }

    pub(crate) const fn outbox_limits(&self) -> OutboxLimits {
        OutboxLimits {
            messages: self.limits.waiting_messages,
            bytes: self.limits.waiting_bytes,
        }
    }
}

/// How long an empty room stays, where 0 seconds are for ever.
pub(crate) fn empty_timeout(seconds: u64) -> Option<Duration> {
    (seconds > 0).then(|| Duration::from_secs(seconds))
}

/// A time that [`ServerConfig::check`] has accepted.
pub(crate) fn seconds(seconds: f64) -> Duration {
    Duration::try_from_secs_f64(seconds).unwrap_or(Duration::MAX)
}

/// A time as clients are told it: whole seconds, rounded up.
pub(crate) fn whole_seconds(config: f64) -> u64 {
    seconds(config)
        .as_millis()
        .div_ceil(1000)
        .try_into()
        .unwrap_or(u64::MAX)
}

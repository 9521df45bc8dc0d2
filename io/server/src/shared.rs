//! What all connections of a server share.

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    time::{SystemTime, UNIX_EPOCH},
};

use prometheus_client::registry::Registry;
use serde::Serialize;
use tokio::{sync::watch, time::Instant};
use trefoil_auth::{ApiKey, Claims, Role, Secret, sign, turn_password, turn_username, verify};
use trefoil_media::Media;
use trefoil_native::{HallSettings, MediaWord, Outside, Refusal};
use trefoil_room::{Entrance, IdSource, Moment, ParticipantId};
use trefoil_wire::IceServer;

use crate::{
    IceServers, ServerConfig,
    addresses::Addresses,
    announcements::Announcements,
    config::whole_seconds,
    halls::{Defaults, Halls},
    media,
    metrics::Metrics,
    proxies::Proxies,
};

pub(crate) struct Shared {
    pub(crate) config: ServerConfig,
    /// Who may sign tokens; in development mode one that was made at the start and that nobody else knows.
    keys: Vec<ApiKey>,
    pub(crate) halls: Halls,
    pub(crate) addresses: Arc<Addresses>,
    /// Sessions at doors, by the address of their client.
    pub(crate) sessions: Arc<Addresses>,
    pub(crate) proxies: Proxies,
    pub(crate) metrics: Metrics,
    pub(crate) registry: Mutex<Registry>,
    pub(crate) draining: AtomicBool,
    /// Turns true when the server stops.
    pub(crate) stopping: watch::Sender<bool>,
    guests: Mutex<IdSource>,
    ice: IceServers,
    /// If there is a media server.
    pub(crate) media: Option<Media>,
    /// What is being played into rooms.
    pub(crate) announcements: Announcements,
    started: Instant,
}

/// The key that signs guests' tokens.
const GUEST_KEY: &str = "guests";

impl Shared {
    pub(crate) fn new(
        config: ServerConfig,
        ice: IceServers,
        media: Option<Media>,
    ) -> anyhow::Result<Arc<Self>> {
        let mut seeds = [[0; 32]; 3];
        for seed in &mut seeds {
            getrandom::fill(seed)
                .map_err(|error| anyhow::anyhow!("the system gives no randomness: {error}"))?;
        }
        let [rooms, guests, secret] = seeds;
        let mut keys = config.api_keys();
        if config.is_development() {
            let secret: String = secret.iter().map(|byte| format!("{byte:02x}")).collect();
            keys.push(ApiKey {
                key: GUEST_KEY.into(),
                secret: Secret::new(secret),
                namespace: None,
            });
        }
        let defaults = Defaults {
            room: config.room_settings(),
            rules: config.rules(media.is_some()),
            hall: HallSettings {
                key: 0,
                outbox: config.outbox_limits(),
                window_seconds: whole_seconds(config.heartbeat.resume_seconds),
                heartbeat_seconds: whole_seconds(config.heartbeat.ping_seconds),
            },
            create_on_join: config.rooms.create_on_join,
        };
        let halls = Halls::new(defaults, config.directory_limits(), rooms);
        let (metrics, mut registry) = (Metrics::default(), Registry::default());
        metrics.register(&mut registry);
        let proxies = Proxies::parse(&config.trusted_proxies)?;
        Ok(Arc::new(Self {
            config,
            proxies,
            keys,
            halls,
            addresses: Arc::default(),
            sessions: Arc::default(),
            metrics,
            registry: Mutex::new(registry),
            draining: AtomicBool::new(false),
            stopping: watch::Sender::new(false),
            guests: Mutex::new(IdSource::new(guests)),
            ice,
            media,
            announcements: Announcements::default(),
            started: Instant::now(),
        }))
    }

    /// The moment that it is.
    pub(crate) fn now(&self) -> Moment {
        Moment::default() + self.started.elapsed()
    }

    pub(crate) fn is_draining(&self) -> bool {
        self.draining.load(Ordering::Relaxed)
    }

    /// What opens a room: what a valid token says, or a guest's wishes. A token for one room opens no other.
    pub(crate) fn claims(
        &self,
        token: Option<&str>,
        namespace: Option<String>,
        room: Option<String>,
        name: Option<String>,
    ) -> Result<Claims, Refusal> {
        let Some(token) = token else {
            return self.guest(namespace, room, name);
        };
        let claims = verify(token, &self.keys, unix_seconds()).map_err(|_| Refusal::Unauthorized)?;
        let elsewhere = |asked: Option<String>, opened: &str| asked.is_some_and(|asked| asked != opened);
        if elsewhere(namespace, &claims.ns) || elsewhere(room, &claims.room) {
            return Err(Refusal::Elsewhere);
        }
        Ok(claims)
    }

    /// What opens a room for a client of another door: its token, or that guests may come in there.
    pub(crate) fn visitor_claims(
        &self,
        token: Option<&str>,
        namespace: &str,
        room: &str,
        name: Option<&str>,
    ) -> Result<Claims, Refusal> {
        let name = name.map(str::to_owned);
        let (space, place) = (namespace.to_owned(), room.to_owned());
        match token {
            Some(_) => self.claims(token, None, Some(place), name),
            None if self.config.doors.guests => Ok(self.guest_claims(Some(space), Some(place), name)),
            None => self.guest(Some(space), Some(place), name),
        }
    }

    /// What a guest's token says; only development mode has guests.
    pub(crate) fn guest(
        &self,
        namespace: Option<String>,
        room: Option<String>,
        name: Option<String>,
    ) -> Result<Claims, Refusal> {
        if !self.config.is_development() {
            return Err(Refusal::Unauthorized);
        }
        Ok(self.guest_claims(namespace, room, name))
    }

    fn guest_claims(&self, namespace: Option<String>, room: Option<String>, name: Option<String>) -> Claims {
        let number = self
            .guests
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
            .next_number();
        Claims {
            iss: GUEST_KEY.into(),
            sub: format!("guest-{number:016x}"),
            ns: namespace.unwrap_or_else(|| DEFAULT_NAMESPACE.into()),
            room: room.unwrap_or_else(|| DEFAULT_ROOM.into()),
            name: Some(name.unwrap_or_else(|| "Guest".into())),
            role: self.config.rooms.guest_role,
            permissions: None,
            hidden: false,
            exp: unix_seconds().saturating_add(self.config.tokens.ttl_seconds),
            nbf: None,
        }
    }

    /// A token that says `claims`, signed by the key that they name.
    pub(crate) fn sign(&self, claims: &Claims) -> Result<String, Refusal> {
        self.sign_as(&claims.iss, claims)
    }

    /// A token that says `claims`, which name `issuer`, signed by the key of that name.
    pub(crate) fn sign_as(&self, issuer: &str, claims: &impl Serialize) -> Result<String, Refusal> {
        let key = self
            .keys
            .iter()
            .find(|key| key.key == issuer)
            .ok_or(Refusal::Unauthorized)?;
        sign(claims, &key.secret).map_err(|_| Refusal::Unauthorized)
    }

    /// The key whose name and secret are given; compares with all keys, and in a time that does not tell them.
    pub(crate) fn admin(&self, name: &[u8], secret: &[u8]) -> Option<&ApiKey> {
        if self.config.is_development() {
            return None;
        }
        let mut found = None;
        for key in &self.keys {
            let same_name = trefoil_auth::same_secret(key.key.as_bytes(), name);
            let same_secret = trefoil_auth::same_secret(key.secret.expose(), secret);
            if same_name & same_secret {
                found = Some(key);
            }
        }
        found
    }

    /// ICE servers with credentials for `identity`, for a client that calls this server `host`.
    pub(crate) fn ice_servers(&self, identity: &str, host: &str) -> (Vec<IceServer>, u64) {
        let ttl = self.config.ice.ttl_seconds;
        let at_host = |urls: &[String]| {
            urls.iter()
                .map(|url| url.replace("{host}", host))
                .collect::<Vec<_>>()
        };
        let mut servers = Vec::new();
        if !self.ice.stun_urls.is_empty() {
            servers.push(IceServer {
                urls: at_host(&self.ice.stun_urls),
                username: None,
                credential: None,
            });
        }
        if !self.ice.turn_urls.is_empty() {
            let username = turn_username(unix_seconds().saturating_add(ttl), identity);
            let password = |secret: &Secret| turn_password(secret.expose(), &username);
            let credential = self.ice.secret.as_ref().map(password);
            let username = credential.is_some().then_some(username);
            servers.push(IceServer {
                urls: at_host(&self.ice.turn_urls),
                username,
                credential,
            });
        }
        (servers, ttl)
    }
}

/// The namespace where none is given.
pub(crate) const DEFAULT_NAMESPACE: &str = "default";
/// The room where none is given.
pub(crate) const DEFAULT_ROOM: &str = "lobby";

/// Who comes in with a token that says `claims`.
pub(crate) fn entrance(claims: &Claims) -> Entrance {
    let role: Role = claims.role;
    let own = claims
        .permissions
        .as_ref()
        .map(|permissions| permissions.iter().copied().collect());
    Entrance {
        name: claims.name.clone().unwrap_or_else(|| claims.sub.clone()),
        identity: claims.sub.clone(),
        role,
        permissions: own.unwrap_or_else(|| role.permissions()),
        hidden: claims.hidden,
        served: false,
    }
}

/// Seconds since 1970.
pub(crate) fn unix_seconds() -> u64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |since| since.as_secs())
}

/// When the server stops, its people come back over a millisecond for each WebSocket; at least and at most over so many.
const SPREAD_MS: (u64, u64) = (1000, 10_000);

/// What a hall needs from outside, for a client that calls this server by one host name.
pub(crate) struct At<'a> {
    pub(crate) shared: &'a Shared,
    pub(crate) host: &'a str,
}

impl Outside for At<'_> {
    fn ice_servers(&self, identity: &str) -> (Vec<IceServer>, u64) {
        self.shared.ice_servers(identity, self.host)
    }

    fn spread_ms(&self) -> Option<u64> {
        let websockets = self.shared.metrics.websockets.get();
        Some(
            u64::try_from(websockets)
                .unwrap_or(0)
                .clamp(SPREAD_MS.0, SPREAD_MS.1),
        )
    }

    fn refused(&self, code: &'static str) {
        self.shared.metrics.refused(code);
        tracing::debug!(code, "refused");
    }

    fn media(&self, room: u64, of: ParticipantId, word: MediaWord<'_>) -> bool {
        self.shared
            .media
            .as_ref()
            .is_some_and(|media| media.ask(media::command(room, of, word)))
    }
}

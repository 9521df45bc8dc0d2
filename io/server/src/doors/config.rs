//! Which doors are open besides our own, and what each may be told.

use std::{net::SocketAddr, path::PathBuf};

use anyhow::ensure;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use trefoil_room::check_room_name;

/// Doors: protocols of other systems whose clients come in unchanged. docs/DOORS.md says what each is.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct DoorsConfig {
    /// The doors that are open: `socketio`, `apprtc`, `devices`, `dotvoice`. Where this is left out, all are in development mode and none
    /// otherwise.
    #[schemars(with = "Vec<String>")]
    pub enabled: Option<Vec<DoorName>>,
    /// Whether people may come in through a door without a join token, also outside of development mode: the original
    /// clients have no place for one. With `token=...` in the query of what a client opens, one is used.
    pub guests: bool,
    /// Socket.IO with the events of the WebRTC codelab.
    pub socketio: SocketIoConfig,
    /// AppRTC and Collider.
    pub apprtc: AppRtcConfig,
    /// signaling-server and signaling-devices.
    pub devices: DevicesConfig,
    /// DotVoice.
    pub dotvoice: DotVoiceConfig,
}

/// A door by its name.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum DoorName {
    /// Socket.IO.
    Socketio,
    /// AppRTC and Collider.
    Apprtc,
    /// signaling-server and signaling-devices.
    Devices,
    /// DotVoice.
    Dotvoice,
}

/// Socket.IO with the events of the WebRTC codelab, at `/socket.io/` of `server.listen`.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct SocketIoConfig {
    /// More addresses (`ip:port`) for it, with nothing else but `files`.
    pub listen: Vec<SocketAddr>,
    /// A folder whose files are served at `/` of those addresses: a page such as the codelab's.
    pub files: Option<PathBuf>,
    /// Socket.IO namespaces besides `/`, such as `/school`; the rooms of each are in the Trefoil namespace of that name.
    pub namespaces: Vec<String>,
    /// How often either side asks whether the other is there, in seconds.
    pub ping_seconds: u64,
    /// After so many more seconds of silence a client is gone.
    pub timeout_seconds: u64,
}

impl Default for SocketIoConfig {
    fn default() -> Self {
        Self {
            listen: Vec::new(),
            files: None,
            namespaces: Vec::new(),
            ping_seconds: 25,
            timeout_seconds: 20,
        }
    }
}

/// AppRTC and Collider, on the paths of `server.listen` that the page does not need, and on addresses of their own.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct AppRtcConfig {
    /// Addresses (`ip:port`) for it alone, with its page at `/` and `/r/`; where this is left out, port 8443 beside
    /// `server.listen`.
    #[schemars(with = "Vec<SocketAddr>")]
    pub listen: Option<Vec<SocketAddr>>,
    /// A folder with AppRTC's web client (`html/index_template.html`, `js/`, `css/`, `images/`), served at `/` and `/r/` of
    /// those addresses.
    pub files: Option<PathBuf>,
    /// Origins that may use it besides `server.origins`: AppRTCMobile names the first.
    pub origins: Vec<String>,
    /// How long a client may be without its WebSocket before its seat is free, in seconds.
    pub absent_seconds: f64,
    /// Messages that wait for a client that has no WebSocket yet.
    pub waiting_messages: usize,
}

impl Default for AppRtcConfig {
    fn default() -> Self {
        Self {
            listen: None,
            files: None,
            origins: vec!["https://appr.tc".into()],
            absent_seconds: 10.0,
            waiting_messages: 1024,
        }
    }
}

/// signaling-server and signaling-devices.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct DevicesConfig {
    /// Addresses (`ip:port`) for it alone; where this is left out, port 9238 beside `server.listen`.
    #[schemars(with = "Vec<SocketAddr>")]
    pub listen: Option<Vec<SocketAddr>>,
    /// A folder whose files are served at `/` of those addresses: the original's `dist`.
    pub files: Option<PathBuf>,
    /// The file in which devices are kept; without one they are forgotten at the end.
    pub store: Option<PathBuf>,
    /// How many devices are kept.
    pub devices: usize,
    /// A device that has ever said `keepAlive` and then nothing for so long is gone, in seconds.
    pub silent_seconds: f64,
}

impl Default for DevicesConfig {
    fn default() -> Self {
        Self {
            listen: None,
            files: None,
            store: None,
            devices: 10_000,
            silent_seconds: 30.0,
        }
    }
}

/// DotVoice: voice rooms in which everybody hears one mixed stream. Its clients always have a token.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct DotVoiceConfig {
    /// Addresses (`ip:port`) for it alone; where this is left out, port 10000 beside `server.listen`.
    #[schemars(with = "Vec<SocketAddr>")]
    pub listen: Option<Vec<SocketAddr>>,
    /// Whether `POST /api/generateTestToken` makes tokens for whoever shows the name and the secret of an API key, as the
    /// test application does. In development mode it makes them for everybody.
    pub test_tokens: bool,
    /// Who says nothing for so long, not even `keeplive`, is gone, in seconds; the clients say it every 20.
    pub silent_seconds: f64,
}

impl Default for DotVoiceConfig {
    fn default() -> Self {
        Self {
            listen: None,
            test_tokens: false,
            silent_seconds: 45.0,
        }
    }
}

impl DoorsConfig {
    /// Whether a door is open.
    pub(crate) fn is_open(&self, door: DoorName, development: bool) -> bool {
        self.enabled
            .as_ref()
            .map_or(development, |enabled| enabled.contains(&door))
    }

    /// Checks what the types cannot.
    pub(crate) fn check(&self) -> anyhow::Result<()> {
        for namespace in &self.socketio.namespaces {
            let name = namespace.strip_prefix('/').unwrap_or_default();
            ensure!(
                check_room_name("namespace", name).is_ok(),
                "doors.socketio.namespaces has {namespace:?}: write a slash and a namespace, such as /school"
            );
        }
        let SocketIoConfig {
            ping_seconds,
            timeout_seconds,
            ..
        } = self.socketio;
        ensure!(
            (1..=3600).contains(&ping_seconds) && (1..=3600).contains(&timeout_seconds),
            "doors.socketio: ping_seconds and timeout_seconds must be 1 to 3600"
        );
        for (name, seconds) in [
            ("doors.apprtc.absent_seconds", self.apprtc.absent_seconds),
            ("doors.devices.silent_seconds", self.devices.silent_seconds),
            ("doors.dotvoice.silent_seconds", self.dotvoice.silent_seconds),
        ] {
            ensure!(
                (0.01..=1e6).contains(&seconds),
                "{name} is {seconds}: give 0.01 to 1000000 seconds"
            );
        }
        Ok(())
    }
}

//! HTTP and WebSocket: rooms, doors, health, metrics and the embedded page.

mod accept;
mod addresses;
mod announcements;
mod config;
mod doors;
mod halls;
mod http;
mod media;
mod metrics;
mod page;
mod proxies;
mod room_metrics;
mod server;
mod shared;
mod signalling;

pub use announcements::AnnouncementsConfig;
pub use config::{
    HeartbeatConfig, IceConfig, IceServers, KeyConfig, LimitsConfig, PlainRtpConfig, RoomsConfig,
    ServerConfig, TokensConfig, TopologyConfig,
};
pub use doors::{
    AppRtcConfig, DevicesConfig, DoorName, DoorSign, DoorsConfig, DotVoiceConfig, SocketIoConfig,
};
pub use http::openapi;
pub use media::MediaLink;
pub use server::Server;

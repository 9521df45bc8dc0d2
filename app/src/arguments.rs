//! The command line, as clap reads it.

use std::{net::SocketAddr, path::PathBuf};

use clap::{Args, Parser, Subcommand};

use crate::doctor::Transport;

/// Rooms, signalling, STUN/TURN and media for WebRTC in one binary.
///
/// Without a command it serves; without a configuration it serves this machine only, in development mode.
#[derive(Debug, Parser)]
#[command(version, args_conflicts_with_subcommands = true)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    pub(crate) command: Option<Command>,
    #[command(flatten)]
    pub(crate) serve: ServeArguments,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Start the servers (also what happens without a command).
    Serve(ServeArguments),
    /// Print a join token for one person and one room.
    Token(TokenArguments),
    /// Read the configuration, say what is wrong with it, and print what would run.
    Check(CheckArguments),
    /// Try a STUN/TURN server from outside, and say in plain words what does not work.
    Doctor(DoctorArguments),
    /// Fill a room with people who publish and receive, and measure what arrives, when, and what it costs the server.
    Load(LoadArguments),
}

#[derive(Debug, Args)]
pub(crate) struct ServeArguments {
    /// The configuration (TOML); docs/CONFIG.md lists every setting.
    #[arg(long, short, env = "TREFOIL_CONFIG")]
    pub(crate) config: Option<PathBuf>,
    /// Where rooms and signalling listen, instead of `server.listen`; port 0 takes a free one.
    #[arg(long, value_name = "ADDRESS:PORT")]
    pub(crate) http: Option<SocketAddr>,
    /// Where STUN and TURN listen, instead of `relay.listen`; port 0 takes a free one.
    #[arg(long, value_name = "ADDRESS:PORT")]
    pub(crate) relay: Option<SocketAddr>,
    /// Where media goes through the server, instead of `media.listen`; port 0 takes a free one.
    #[arg(long, value_name = "ADDRESS:PORT")]
    pub(crate) media: Option<SocketAddr>,
    /// Start only this one of the servers.
    #[arg(long, value_enum)]
    pub(crate) only: Option<Only>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Only {
    /// Rooms, signalling and media, without STUN/TURN.
    Rooms,
    /// STUN/TURN, without rooms, signalling and media.
    Relay,
}

#[derive(Debug, Args)]
pub(crate) struct TokenArguments {
    /// The configuration that holds the API keys.
    #[arg(long, short, env = "TREFOIL_CONFIG")]
    pub(crate) config: Option<PathBuf>,
    /// The API key to sign with; needed if the configuration has none or several.
    #[arg(long, env = "TREFOIL_KEY")]
    pub(crate) key: Option<String>,
    /// The secret of that key, where there is no configuration. An environment variable stays out of `ps`.
    #[arg(long, env = "TREFOIL_SECRET", hide_env_values = true)]
    pub(crate) secret: Option<String>,
    /// The namespace of the room.
    #[arg(long, default_value = "default")]
    pub(crate) namespace: String,
    /// The room that the token opens.
    #[arg(long, default_value = "lobby")]
    pub(crate) room: String,
    /// Who joins: your application's own id for the person.
    #[arg(long)]
    pub(crate) identity: String,
    /// The name that others see; the identity if left out.
    #[arg(long)]
    pub(crate) name: Option<String>,
    /// moderator, speaker or viewer.
    #[arg(long, default_value = "speaker")]
    pub(crate) role: String,
    /// They watch unseen: the others are not told of them, and all that they may do is subscribe.
    #[arg(long)]
    pub(crate) hidden: bool,
    /// How long the token is good for.
    #[arg(long, default_value_t = 3600, value_name = "SECONDS")]
    pub(crate) ttl: u64,
}

#[derive(Debug, Args)]
pub(crate) struct CheckArguments {
    /// The configuration to check.
    #[arg(long, short, env = "TREFOIL_CONFIG")]
    pub(crate) config: Option<PathBuf>,
    /// A turnserver.conf to say again in Trefoil's words, instead.
    #[arg(long, value_name = "TURNSERVER_CONF", conflicts_with = "config")]
    pub(crate) coturn: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct DoctorArguments {
    /// The server to try, as HOST, HOST:PORT or a URL such as turn:HOST?transport=tcp or turns:HOST:443; what the
    /// configuration tells clients if left out.
    #[arg(long)]
    pub(crate) server: Option<String>,
    /// How to reach it, whatever the URL says; UDP if that says nothing.
    #[arg(long, value_enum)]
    pub(crate) transport: Option<Transport>,
    /// Certificates to trust over TLS (PEM), instead of those that this machine trusts.
    #[arg(long, value_name = "FILE")]
    pub(crate) ca: Option<PathBuf>,
    /// The configuration that holds relay.secrets.
    #[arg(long, short, env = "TREFOIL_CONFIG")]
    pub(crate) config: Option<PathBuf>,
    /// The shared secret of time-limited credentials, where there is no configuration.
    #[arg(long, env = "TREFOIL_TURN_SECRET", hide_env_values = true)]
    pub(crate) secret: Option<String>,
    /// A static name, for servers that have them.
    #[arg(long)]
    pub(crate) username: Option<String>,
    /// The password of that name.
    #[arg(long, env = "TREFOIL_TURN_PASSWORD", hide_env_values = true)]
    pub(crate) password: Option<String>,
}

#[derive(Debug, Args)]
pub(crate) struct LoadArguments {
    /// The server: where its rooms are. Guests join in development mode, else give --key and TREFOIL_SECRET.
    #[arg(long, default_value = "http://127.0.0.1:8080")]
    pub(crate) url: String,
    /// Load a Janus with its VideoRoom instead: its HTTP API, as http://192.0.2.1:8088/janus.
    #[arg(long, value_name = "URL", conflicts_with_all = ["url", "key"])]
    pub(crate) janus: Option<String>,
    /// An API key of the server: the room is set up as it is needed, and tokens are made for everybody.
    #[arg(long, env = "TREFOIL_KEY", requires = "secret")]
    pub(crate) key: Option<String>,
    /// The secret of that key. An environment variable stays out of `ps`.
    #[arg(long, env = "TREFOIL_SECRET", hide_env_values = true)]
    pub(crate) secret: Option<String>,
    /// The room; with --key it is made, and deleted afterwards.
    #[arg(long, default_value = "load")]
    pub(crate) room: String,
    /// How many publish.
    #[arg(long, default_value_t = 1, value_name = "N")]
    pub(crate) publishers: usize,
    /// How many of these send anything; all if left out.
    #[arg(long, value_name = "N")]
    pub(crate) active: Option<usize>,
    /// How many receive, each of them everything.
    #[arg(long, default_value_t = 10, value_name = "N")]
    pub(crate) subscribers: usize,
    /// The rate of each video (VP8); 0 for none.
    #[arg(long, default_value_t = 1000, value_name = "KBPS")]
    pub(crate) video_kbps: u32,
    /// Bytes of payload in each packet: of video (1200), or of sound where there is no video (120).
    #[arg(long, value_name = "BYTES")]
    pub(crate) packet_bytes: Option<usize>,
    /// Packets a second, instead of what --video-kbps gives; of sound (50) where there is no video.
    #[arg(long, value_name = "N")]
    pub(crate) packets_per_second: Option<f64>,
    /// Packets of video in each frame; they are sent at once.
    #[arg(long, default_value_t = 4, value_name = "PACKETS")]
    pub(crate) burst: usize,
    /// Each publisher sends sound (Opus) too.
    #[arg(long)]
    pub(crate) audio: bool,
    /// Each video is sent in three sizes, of 1/16, 1/4 and the whole of --video-kbps.
    #[arg(long)]
    pub(crate) simulcast: bool,
    /// What of the packets to each subscriber is dropped, to see how it is repaired.
    #[arg(long, default_value_t = 0.0, value_name = "PERCENT")]
    pub(crate) loss: f64,
    /// For how long to measure.
    #[arg(long, default_value_t = 10, value_name = "SECONDS")]
    pub(crate) seconds: u64,
    /// For how long to send before that, until rates have settled.
    #[arg(long, default_value_t = 3, value_name = "SECONDS")]
    pub(crate) warm_up: u64,
    /// The server's process, if it runs on this machine: its CPU time and memory are measured too.
    #[arg(long, value_name = "PID")]
    pub(crate) pid: Option<u32>,
    /// Write everything that was measured to this file, as JSON.
    #[arg(long, value_name = "FILE")]
    pub(crate) report: Option<PathBuf>,
    /// Draw it over time into this file, as SVG.
    #[arg(long, value_name = "FILE")]
    pub(crate) plot: Option<PathBuf>,
}

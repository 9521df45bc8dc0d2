//! The configuration file: one table for each server.

use std::{
    fs,
    net::SocketAddr,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, ensure};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use trefoil_media::MediaConfig;
use trefoil_relay::{Certificate, RelayConfig};
use trefoil_server::ServerConfig;

/// Everything that can be configured.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Config {
    /// Rooms, tokens, signalling and the page.
    pub(crate) server: ServerConfig,
    /// STUN and TURN.
    pub(crate) relay: RelayConfig,
    /// Forwarding of audio, video and data.
    pub(crate) media: MediaConfig,
    /// HTTPS; TURN over TLS answers on the same addresses.
    pub(crate) https: HttpsConfig,
    /// What is logged, and how.
    pub(crate) log: LogConfig,
    /// How the process ends.
    pub(crate) stop: StopConfig,
}

/// HTTPS; TURN over TLS answers on the same addresses.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct HttpsConfig {
    /// Addresses to listen on, usually port 443; none where a proxy speaks HTTPS. Needs `server.public_url`.
    pub(crate) listen: Vec<SocketAddr>,
    /// The certificate chain, a PEM file. Read again within ten seconds when it changes.
    pub(crate) certificate: PathBuf,
    /// The private key of the certificate, a PEM file.
    pub(crate) key: PathBuf,
}

/// How the process ends.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct StopConfig {
    /// For how many seconds after SIGTERM those inside may stay and relayed calls go on, while nobody new is let in. It
    /// ends sooner when nobody is left, or at another signal.
    pub(crate) drain_seconds: u64,
}

impl Default for StopConfig {
    fn default() -> Self {
        Self { drain_seconds: 30 }
    }
}

/// What is logged, and how.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct LogConfig {
    /// The lowest level that is written: `error`, `warn`, `info`, `debug` or `trace`; also `target=level,...` as
    /// `RUST_LOG` takes it. Addresses and names of people, and what the
    /// engine of the media server says of its peers, appear only from `debug` on.
    pub(crate) level: String,
    /// `text` for people or `json` for machines; one line a record in both.
    pub(crate) format: LogFormat,
}

/// How a log line looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum LogFormat {
    /// For people.
    Text,
    /// For machines.
    Json,
}

impl Default for LogConfig {
    fn default() -> Self {
        Self {
            level: "info".to_owned(),
            format: LogFormat::Text,
        }
    }
}

impl Config {
    /// Whether everything could be started with this, as far as that can be said without opening a socket.
    pub(crate) fn check(&self) -> anyhow::Result<()> {
        self.server.check().context("in [server]")?;
        self.relay.check().context("in [relay]")?;
        self.media.check().context("in [media]")?;
        if !self.https.listen.is_empty() {
            let named = self
                .server
                .public_url
                .as_ref()
                .is_some_and(|url| url.starts_with("https://"));
            ensure!(
                named,
                "https.listen needs server.public_url, the https:// URL that the certificate is for"
            );
            Certificate::read(&self.https.certificate, &self.https.key).context("in [https]")?;
        }
        Ok(())
    }

    /// Reads `file`, or the defaults where there is none.
    pub(crate) fn read(file: Option<&Path>) -> anyhow::Result<Self> {
        let Some(path) = file else {
            return Ok(Self::default());
        };
        let text = fs::read_to_string(path)
            .with_context(|| format!("cannot read the configuration {}", path.display()))?;
        // The parser's own message would quote the line, which may hold a secret: line and reason are enough.
        toml::from_str(&text).map_err(|error| {
            let line = error.span().map_or(1, |span| {
                1 + text.get(..span.start).unwrap_or(&text).matches('\n').count()
            });
            anyhow::anyhow!(
                "{}, line {line}: {} (docs/CONFIG.md lists every setting)",
                path.display(),
                error.message()
            )
        })
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;

    fn read(text: &str) -> anyhow::Result<Config> {
        let path = std::env::temp_dir().join(format!("trefoil-config-{}-{}", std::process::id(), text.len()));
        fs::File::create(&path)?.write_all(text.as_bytes())?;
        let read = Config::read(Some(&path));
        fs::remove_file(&path)?;
        read
    }

    #[test]
    fn an_empty_file_is_the_defaults() {
        assert_eq!(
            toml::to_string(&read("").unwrap()).unwrap(),
            toml::to_string(&Config::default()).unwrap()
        );
    }

    #[test]
    fn an_unknown_setting_is_refused_with_its_line() {
        let error = format!(
            "{:#}",
            read("[log]\nlevel = \"info\"\nlevle = \"warn\"\n").unwrap_err()
        );
        assert!(error.contains("line 3") && error.contains("levle"), "{error}");
    }

    #[test]
    fn a_secret_on_a_wrong_line_is_not_repeated_in_the_error() {
        let error = format!(
            "{:#}",
            read("[server]\nkeys = [{ key = \"a\", secrte = \"hunter2hunter2\" }]\n").unwrap_err()
        );
        assert!(!error.contains("hunter2"), "{error}");
    }

    #[test]
    fn a_missing_file_is_named() {
        let error = format!("{:#}", Config::read(Some(Path::new("no/such.toml"))).unwrap_err());
        assert!(error.contains("no/such.toml"), "{error}");
    }
}

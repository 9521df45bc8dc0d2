//! The configuration file: one table for each server.

use std::{fs, path::Path};

use anyhow::Context as _;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use trefoil_relay::RelayConfig;
use trefoil_server::ServerConfig;

/// Everything that can be configured.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Config {
    /// Rooms, tokens, signalling and the page.
    pub(crate) server: ServerConfig,
    /// STUN and TURN.
    pub(crate) relay: RelayConfig,
    /// What is logged, and how.
    pub(crate) log: LogConfig,
    /// How the process ends.
    pub(crate) stop: StopConfig,
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
    /// `RUST_LOG` takes it. Addresses and names of people appear only from `debug` on.
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

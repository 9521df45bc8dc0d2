//! Where log lines go: standard error, so that standard output stays for what was asked.

use anyhow::Context as _;
use tracing_subscriber::{EnvFilter, fmt};

use crate::config::{LogConfig, LogFormat};

/// The media engine's crates. What they warn of is what peers send, which is nobody's alarm: one peer could fill the log.
const ENGINE: [&str; 4] = ["str0m", "is", "sctp_proto", "dimpl"];

/// Starts logging; `RUST_LOG` wins over the configuration.
pub(crate) fn start(config: &LogConfig) -> anyhow::Result<()> {
    let filter = EnvFilter::try_from_default_env()
        .or_else(|_| EnvFilter::try_new(directives(&config.level)))
        .with_context(|| format!("log.level = {:?} is not a level", config.level))?;
    let lines = fmt().with_env_filter(filter).with_writer(std::io::stderr);
    let started = match config.format {
        LogFormat::Text => lines
            .with_ansi(std::io::IsTerminal::is_terminal(&std::io::stderr()))
            .try_init(),
        LogFormat::Json => lines.json().try_init(),
    };
    started.map_err(|error| anyhow::anyhow!("logging could not be started: {error}"))
}

/// A plain level above debug leaves out the media engine; whoever wants it names it, or asks for everything.
fn directives(level: &str) -> String {
    let mut directives = level.to_owned();
    if ["error", "warn", "info"].contains(&level.to_ascii_lowercase().as_str()) {
        for name in ENGINE {
            directives += &format!(",{name}=off");
        }
    }
    directives
}

#[cfg(test)]
mod tests {
    use std::{
        io::Write,
        sync::{Arc, Mutex},
    };

    use super::*;

    #[derive(Clone, Default)]
    struct Written(Arc<Mutex<Vec<u8>>>);

    impl Write for Written {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn what_the_engine_warns_of_is_not_logged_above_debug() {
        let logged = |level: &str| {
            let (written, filter) = (Written::default(), EnvFilter::new(directives(level)));
            let writer = written.clone();
            let lines = fmt().with_env_filter(filter).with_writer(move || writer.clone());
            tracing::subscriber::with_default(lines.finish(), || {
                tracing::warn!(target: "str0m::sctp", "of the engine");
                tracing::warn!(target: "trefoil_media::worker", "of ours");
            });
            String::from_utf8(written.0.lock().unwrap().clone()).unwrap()
        };
        for level in ["info", "WARN"] {
            let log = logged(level);
            assert!(log.contains("of ours") && !log.contains("of the engine"), "{log}");
        }
        for level in ["debug", "info,str0m=warn"] {
            assert!(logged(level).contains("of the engine"));
        }
    }
}

//! `trefoil check`: what is wrong with a configuration, and what would run.

use crate::{arguments::CheckArguments, config::Config};

/// Prints the whole configuration as it would be used; fails with the first thing that would stop it.
pub(crate) fn run(arguments: &CheckArguments) -> anyhow::Result<()> {
    let config = Config::read(arguments.config.as_deref())?;
    config.server.check()?;
    config.relay.check()?;
    #[allow(clippy::print_stdout, reason = "what was asked for")]
    {
        println!("{}", toml::to_string_pretty(&config)?);
    }
    eprintln!("trefoil: this configuration is good");
    Ok(())
}

//! `trefoil check`: what is wrong with a configuration, and what would run.

mod coturn;
mod ranges;

use std::fs;

use anyhow::Context as _;

use crate::{arguments::CheckArguments, config::Config};

/// Prints the whole configuration as it would be used; fails with the first thing that would stop it.
pub(crate) fn run(arguments: &CheckArguments) -> anyhow::Result<()> {
    if let Some(path) = &arguments.coturn {
        let file = fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
        #[allow(clippy::print_stdout, reason = "what was asked for")]
        {
            print!("{}", coturn::converted(&file));
        }
        return Ok(());
    }
    let config = Config::read(arguments.config.as_deref())?;
    config.check()?;
    #[allow(clippy::print_stdout, reason = "what was asked for")]
    {
        println!("{}", toml::to_string_pretty(&config)?);
    }
    eprintln!("trefoil: this configuration is good");
    Ok(())
}

//! `trefoil token`: a join token on standard output.

use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::{Context as _, bail};

use crate::{arguments::TokenArguments, config::Config};

/// Prints the token and nothing else, so that a script can take it.
pub(crate) fn run(arguments: &TokenArguments) -> anyhow::Result<()> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).context("the clock stands before 1970")?.as_secs();
    #[allow(clippy::print_stdout, reason = "what was asked for")]
    {
        println!("{}", token(arguments, now)?);
    }
    Ok(())
}

//! `trefoil doctor`: tries a TURN server as a client would, and says in plain words what does not work and what to do.

mod client;
mod examine;
mod target;
mod trust;
mod wire;

use std::{
    net::SocketAddr,
    time::{SystemTime, UNIX_EPOCH},
};

use anyhow::{Context as _, bail};
use trefoil_auth::{turn_password, turn_username};

pub(crate) use target::Transport;

use self::target::Target;
use crate::{arguments::DoctorArguments, config::Config};

/// Prints one line for each thing that was tried; fails if one of them did.
#[allow(clippy::print_stdout, reason = "the findings are what was asked for")]
pub(crate) fn run(arguments: &DoctorArguments) -> anyhow::Result<()> {
    let config = Config::read(arguments.config.as_deref())?;
    let target = target(arguments, &config)?;
    let tls = trust::tls(arguments.ca.as_deref())?;
    let (username, password) = credentials(arguments, &config)?;
    println!("Trying STUN and TURN at {target}\n");
    let signed = (username.as_str(), password.as_str());
    let findings = examine::examine(&target, &tls, signed, |finding| println!("{finding}"));
    if findings.iter().any(|finding| finding.is_bad()) {
        bail!("{target} would not serve a call; what to do stands above");
    }
    println!("\n{target} would serve a call.");
    Ok(())
}

/// Whom to ask: the command line, or the address that the configuration tells clients.
fn target(arguments: &DoctorArguments, config: &Config) -> anyhow::Result<Target> {
    if let Some(named) = &arguments.server {
        return Target::find(named, arguments.transport);
    }
    let tls = arguments.transport == Some(Transport::Tls);
    let listen = if tls {
        let own = config.relay.tls.iter().flat_map(|tls| &tls.listen);
        own.chain(&config.https.listen)
            .next()
            .context("neither relay.tls.listen nor https.listen: give --server HOST:PORT")?
    } else {
        config
            .relay
            .listen
            .first()
            .context("relay.listen is empty: give --server HOST:PORT")?
    };
    let external = config
        .relay
        .external_addresses
        .iter()
        .find(|external| external.is_ipv4() == listen.is_ipv4());
    let ip = external.copied().unwrap_or_else(|| listen.ip());
    if ip.is_unspecified() {
        bail!(
            "the configuration listens on every address and names no relay.external_addresses: give --server HOST:PORT"
        );
    }
    let place = SocketAddr::new(ip, listen.port());
    Target::find(&place.to_string(), arguments.transport)
}

/// With what: the command line, a secret of the configuration, or one of its static names.
fn credentials(arguments: &DoctorArguments, config: &Config) -> anyhow::Result<(String, String)> {
    if let Some(username) = &arguments.username {
        let password = arguments
            .password
            .clone()
            .context("--username needs --password or TREFOIL_TURN_PASSWORD")?;
        return Ok((username.clone(), password));
    }
    let secret = match (&arguments.secret, config.relay.secrets.first()) {
        (Some(given), _) => given.as_bytes(),
        (None, Some(configured)) => configured.expose(),
        (None, None) => bail!(
            "nothing to sign in with: give --config FILE with relay.secrets, --secret, or --username and --password"
        ),
    };
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .context("the clock stands before 1970")?
        .as_secs();
    let username = turn_username(now + 600, "doctor");
    let password = turn_password(secret, &username);
    Ok((username, password))
}

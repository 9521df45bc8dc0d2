//! `trefoil doctor`: tries a TURN server as a client would, and says in plain words what does not work and what to do.

mod client;
mod examine;

use std::{
    net::{SocketAddr, ToSocketAddrs as _},
    time::{SystemTime, UNIX_EPOCH},
};

use anyhow::{Context as _, bail};
use trefoil_auth::{turn_password, turn_username};

use crate::{arguments::DoctorArguments, config::Config};

/// Prints one line for each thing that was tried; fails if one of them did.
#[allow(clippy::print_stdout, reason = "the findings are what was asked for")]
pub(crate) fn run(arguments: &DoctorArguments) -> anyhow::Result<()> {
    let config = Config::read(arguments.config.as_deref())?;
    let server = server(arguments, &config)?;
    let (username, password) = credentials(arguments, &config)?;
    println!("Trying STUN and TURN at {server} over UDP\n");
    let findings = examine::examine(server, &username, &password, |finding| println!("{finding}"));
    if findings.iter().any(|finding| finding.is_bad()) {
        bail!("{server} would not serve a call; what to do stands above");
    }
    println!("\n{server} would serve a call.");
    Ok(())
}

/// Whom to ask: the command line, or the address that the configuration tells clients.
fn server(arguments: &DoctorArguments, config: &Config) -> anyhow::Result<SocketAddr> {
    if let Some(named) = &arguments.server {
        let named = named.trim_start_matches("turn:").trim_start_matches("stun:");
        let named = named.split('?').next().unwrap_or(named);
        let with_port = if named.parse::<SocketAddr>().is_ok()
            || named
                .rsplit_once(':')
                .is_some_and(|(_, port)| port.parse::<u16>().is_ok())
        {
            named.to_owned()
        } else {
            format!("{named}:3478")
        };
        let mut found = with_port
            .to_socket_addrs()
            .with_context(|| format!("the name {named} has no address: check its DNS record"))?;
        return found
            .next()
            .with_context(|| format!("the name {named} has no address"));
    }
    let listen = config
        .relay
        .listen
        .first()
        .context("relay.listen is empty: give --server HOST:PORT")?;
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
    Ok(SocketAddr::new(ip, listen.port()))
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

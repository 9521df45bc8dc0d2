//! `trefoil serve`: starts the servers, joins them, and ends them in order.

use std::net::SocketAddr;

use anyhow::Context as _;
use tokio::signal::unix::{SignalKind, signal};
use tracing::info;
use trefoil_auth::Secret;
use trefoil_relay::Relay;
use trefoil_server::Server;

use crate::{
    arguments::{Only, ServeArguments},
    banner::Banner,
    config::Config,
    ice::ice_servers,
    logging,
};

/// Runs until SIGTERM or SIGINT.
pub(crate) fn run(arguments: &ServeArguments) -> anyhow::Result<()> {
    let mut config = Config::read(arguments.config.as_deref())?;
    if let Some(http) = arguments.http {
        config.server.listen = vec![http];
    }
    if let Some(relay) = arguments.relay {
        config.relay.listen = vec![relay];
    }
    if config.relay.secrets.is_empty() {
        config.relay.secrets.push(fresh_secret()?);
    }
    logging::start(&config.log)?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(serve(config, arguments.only))
}

/// A secret for this run only: tokens and credentials made with it end with the process.
fn fresh_secret() -> anyhow::Result<Secret> {
    let mut bytes = [0; 32];
    getrandom::fill(&mut bytes)
        .map_err(|error| anyhow::anyhow!("the kernel gives no randomness: {error}"))?;
    Ok(Secret::new(
        bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>(),
    ))
}

async fn serve(config: Config, only: Option<Only>) -> anyhow::Result<()> {
    let mut terminate = signal(SignalKind::terminate())?;
    let relay = match only {
        Some(Only::Rooms) => None,
        None | Some(Only::Relay) => {
            Some(Relay::start(config.relay.clone()).context("STUN/TURN could not start")?)
        }
    };
    let listening = relay
        .as_ref()
        .map_or(config.relay.listen.as_slice(), Relay::listening)
        .to_vec();
    let server = match only {
        Some(Only::Relay) => None,
        None | Some(Only::Rooms) => {
            let named = config.relay.tls.as_ref().map_or(&[][..], |tls| &tls.listen);
            let tls = relay.as_ref().map_or(named, Relay::listening_tls);
            let ice = ice_servers(&config.relay, &listening, tls);
            Some(
                Server::start(config.server.clone(), ice)
                    .await
                    .context("rooms and signalling could not start")?,
            )
        }
    };
    if let (Some(server), Some(relay)) = (&server, &relay) {
        server.register(|registry| relay.register(registry.sub_registry_with_prefix("trefoil")));
    }
    greet(
        &config,
        server.as_ref(),
        if relay.is_some() { listening } else { Vec::new() },
    );

    tokio::select! {
        _ = terminate.recv() => {}
        interrupted = tokio::signal::ctrl_c() => interrupted?,
    }
    info!("stopping: nothing new is let in, what runs is ended in order");
    if let Some(relay) = &relay {
        relay.drain();
    }
    if let Some(server) = server {
        server.stop().await;
    }
    if let Some(relay) = relay {
        relay.stop();
    }
    Ok(())
}

fn greet(config: &Config, server: Option<&Server>, relay: Vec<SocketAddr>) {
    let banner = Banner {
        rooms: server.map(Server::listening),
        relay,
        public_url: config.server.public_url.clone(),
        development: server.is_some_and(Server::is_development),
    };
    #[allow(
        clippy::print_stdout,
        reason = "the banner is what a person started the program to see"
    )]
    {
        println!("{banner}");
    }
}

//! `trefoil serve`: starts the servers, joins them, and ends them in order.

use std::{
    net::SocketAddr,
    sync::Arc,
    time::{Duration, Instant},
};

use anyhow::Context as _;
use tokio::signal::unix::{SignalKind, signal};
use tracing::info;
use trefoil_auth::Secret;
use trefoil_media::{Media, Tell};
use trefoil_relay::Relay;
use trefoil_server::{MediaLink, Server};

use crate::{
    arguments::{Only, ServeArguments},
    banner::Banner,
    config::Config,
    front::{Behind, Front},
    ice::ice_servers,
    logging,
};

/// How often a draining process looks whether anybody is left.
const DRAIN_LOOK: Duration = Duration::from_secs(1);
/// What the media server may have to tell at once.
const NOTICES: usize = 16_384;

/// Runs until SIGTERM or SIGINT.
pub(crate) fn run(arguments: &ServeArguments) -> anyhow::Result<()> {
    let mut config = Config::read(arguments.config.as_deref())?;
    if let Some(http) = arguments.http {
        config.server.listen = vec![http];
    }
    if let Some(relay) = arguments.relay {
        config.relay.listen = vec![relay];
    }
    if let Some(media) = arguments.media {
        config.media.listen = vec![media];
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
    let running = start(&config, only).await?;
    tokio::select! {
        _ = terminate.recv() => tokio::select! {
            () = running.drain(Duration::from_secs(config.stop.drain_seconds)) => {}
            _ = terminate.recv() => {}
            interrupted = tokio::signal::ctrl_c() => interrupted?,
        },
        interrupted = tokio::signal::ctrl_c() => interrupted?,
    }
    info!("stopping: what still runs is ended in order");
    running.stop().await;
    Ok(())
}

/// Starts what is wanted, tells it of each other, and prints what runs where.
async fn start(config: &Config, only: Option<Only>) -> anyhow::Result<Running> {
    let link = match only {
        Some(Only::Relay) => None,
        None | Some(Only::Rooms) => link_media(config)?,
    };
    let media = link.as_ref().map(|link| link.media.clone());
    // Whoever reaches nothing but the relay reaches the media server through it.
    let services = media.as_ref().map_or(&[][..], |media| media.told());
    let relay = match only {
        Some(Only::Rooms) => None,
        None | Some(Only::Relay) => Some(Arc::new(
            Relay::start_beside(config.relay.clone(), services).context("STUN/TURN could not start")?,
        )),
    };
    let front = Front::listen(&config.https).await?;
    let https = front
        .as_ref()
        .map_or_else(Vec::new, |front| front.listening.clone());
    // Where the relay runs elsewhere with the same configuration, clients are told of it all the same.
    let named = config.relay.tls.as_ref().map_or(&[][..], |tls| &tls.listen);
    let (udp, tls) = relay
        .as_ref()
        .map_or((config.relay.listen.as_slice(), named), |relay| {
            (relay.listening(), relay.listening_tls())
        });
    let server = match only {
        Some(Only::Relay) => None,
        None | Some(Only::Rooms) => {
            let ice = ice_servers(&config.relay, udp, &[tls, &https].concat());
            let started = Server::start(config.server.clone(), ice, link).await;
            Some(Arc::new(started.context("rooms and signalling could not start")?))
        }
    };
    if let (Some(server), Some(relay)) = (&server, &relay) {
        server.register(|registry| relay.register(registry.sub_registry_with_prefix("trefoil")));
    }
    if let (Some(server), Some(media)) = (&server, &media) {
        server.register(|registry| media.register(registry.sub_registry_with_prefix("trefoil")));
    }
    let running = Running { server, relay, media };
    if let Some(front) = front {
        front.serve(Behind {
            server: running.server.clone(),
            relay: running.relay.clone(),
        })?;
    }
    running.greet(config, https);
    Ok(running)
}

/// Starts the media server, if there is to be one, and the queue for what it has to tell.
fn link_media(config: &Config) -> anyhow::Result<Option<MediaLink>> {
    if !config.media.enabled {
        return Ok(None);
    }
    let (sender, notices) = tokio::sync::mpsc::channel(NOTICES);
    let tell: Tell = Arc::new(move |notice| sender.try_send(notice).is_ok());
    let media = Media::start(&config.media, &tell).context("the media server could not start")?;
    Ok(Some(MediaLink { media, notices }))
}

/// What was started.
struct Running {
    server: Option<Arc<Server>>,
    /// Its threads end when the last who knows it is gone.
    relay: Option<Arc<Relay>>,
    media: Option<Media>,
}

impl Running {
    /// Lets nobody new in and waits until nobody is left, or for `longest`.
    async fn drain(&self, longest: Duration) {
        self.relay.iter().for_each(|relay| relay.drain());
        self.server.iter().for_each(|server| server.drain());
        let until = Instant::now() + longest;
        while Instant::now() < until {
            let participants = self.server.as_ref().map_or(0, |server| server.participants());
            let allocations = self.relay.as_ref().map_or(0, |relay| relay.allocations());
            if participants == 0 && allocations == 0 {
                return;
            }
            info!(participants, allocations, "draining: waiting for those inside");
            tokio::time::sleep(DRAIN_LOOK.min(until - Instant::now())).await;
        }
    }

    async fn stop(self) {
        if let Some(server) = self.server {
            server.stop().await;
        }
        if let Some(media) = self.media {
            media.stop();
        }
    }

    #[allow(
        clippy::print_stdout,
        reason = "the banner is what a person started the program to see"
    )]
    fn greet(&self, config: &Config, https: Vec<SocketAddr>) {
        let banner = Banner {
            rooms: self.server.as_ref().map(|server| server.listening()),
            https,
            relay: self
                .relay
                .as_ref()
                .map_or_else(Vec::new, |relay| relay.listening().to_vec()),
            doors: self
                .server
                .as_ref()
                .map_or_else(Vec::new, |server| server.doors().to_vec()),
            public_url: config.server.public_url.clone(),
            media: self
                .media
                .as_ref()
                .map_or_else(Vec::new, |media| media.listening().to_vec()),
            development: self.server.as_ref().is_some_and(|server| server.is_development()),
        };
        println!("{banner}");
    }
}

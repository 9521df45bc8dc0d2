//! A running server: started from a configuration, drained, stopped.

use std::{
    net::SocketAddr,
    sync::{Arc, PoisonError, atomic::Ordering},
    time::Duration,
};

use anyhow::Context;
use axum::Router;
use prometheus_client::registry::Registry;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpListener,
    task::JoinHandle,
};

use crate::{
    DoorSign, IceServers, MediaLink, ServerConfig, accept,
    doors::Doors,
    http,
    media::pass_on,
    shared::{At, Shared},
};

/// The room server and its signalling, listening.
pub struct Server {
    shared: Arc<Shared>,
    router: Router,
    listening: Vec<SocketAddr>,
    doors: Vec<DoorSign>,
    tasks: Vec<JoinHandle<()>>,
}

/// How long connections may take to say goodbye when the server stops.
const FAREWELL: Duration = Duration::from_secs(5);

impl Server {
    /// Listens and serves until [`Server::stop`].
    ///
    /// # Errors
    /// The configuration is not possible (see [`ServerConfig::check`]), or an address cannot be listened on.
    pub async fn start(
        config: ServerConfig,
        ice: IceServers,
        media: Option<MediaLink>,
    ) -> anyhow::Result<Self> {
        config.check()?;
        let addresses = config.listen.clone();
        let (media, notices) = media.map_or((None, None), |link| (Some(link.media), Some(link.notices)));
        let shared = Shared::new(config, ice, media)?;
        let mut doors = Doors::open(&shared).await?;
        let router = doors.join(http::router(&shared));
        let (mut listening, mut tasks) = (Vec::new(), Vec::new());
        for address in addresses {
            let listener = TcpListener::bind(address).await.with_context(|| {
                format!(
                    "cannot listen on {address}; is another program there? Change listen in the configuration"
                )
            })?;
            listening.push(listener.local_addr()?);
            tasks.push(tokio::spawn(accept::accept(
                listener,
                shared.clone(),
                router.clone(),
            )));
        }
        tasks.extend(doors.tasks);
        for (listener, router) in doors.own {
            tasks.push(tokio::spawn(accept::accept(listener, shared.clone(), router)));
        }
        let timed = shared.clone();
        tasks.push(tokio::spawn(async move {
            let at = At {
                shared: &timed,
                host: "",
            };
            timed.halls.keep_time(&at, || timed.now()).await;
        }));
        if let Some(notices) = notices {
            tasks.push(tokio::spawn(pass_on(shared.clone(), notices)));
        }
        Ok(Self {
            shared,
            router,
            listening,
            doors: doors.signs,
            tasks,
        })
    }

    /// The first address that it listens on.
    #[must_use]
    pub fn listening(&self) -> SocketAddr {
        self.listening
            .first()
            .copied()
            .unwrap_or_else(|| SocketAddr::from(([0, 0, 0, 0], 0)))
    }

    /// All addresses that it listens on.
    #[must_use]
    pub fn listening_all(&self) -> &[SocketAddr] {
        &self.listening
    }

    /// The doors that are open besides our own.
    #[must_use]
    pub fn doors(&self) -> &[DoorSign] {
        &self.doors
    }

    /// Registers more metrics, so that `/metrics` shows them too.
    pub fn register(&self, register: impl FnOnce(&mut Registry)) {
        register(
            &mut self
                .shared
                .registry
                .lock()
                .unwrap_or_else(PoisonError::into_inner),
        );
    }

    /// Whether guests may join without a token.
    #[must_use]
    pub fn is_development(&self) -> bool {
        self.shared.config.is_development()
    }

    /// Serves HTTP and WebSocket on a connection that the caller accepted, such as one over TLS, from `remote`. Runs until
    /// it ends; a WebSocket goes on by itself.
    pub fn serve_connection<S>(
        &self,
        stream: S,
        remote: SocketAddr,
    ) -> impl Future<Output = ()> + Send + use<S>
    where
        S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    {
        let counted =
            (!self.shared.proxies.trust(remote.ip())).then(|| self.shared.addresses.count(remote.ip()));
        let limit = self.shared.config.limits.connections_per_address;
        let (shared, router) = (self.shared.clone(), self.router.clone());
        async move {
            if counted
                .as_ref()
                .is_some_and(|(_, count)| limit > 0 && *count > limit)
            {
                shared.metrics.refused("too_many_connections");
            } else {
                accept::serve(stream, remote, counted.map(|(permit, _)| permit), shared, router).await;
            }
        }
    }

    /// How many seats are taken, in all rooms.
    #[must_use]
    pub fn participants(&self) -> usize {
        self.shared.halls.census().1
    }

    /// Takes nobody new; those inside stay. `/readyz` answers 503 from now on.
    pub fn drain(&self) {
        self.shared.draining.store(true, Ordering::Relaxed);
        tracing::info!("draining: nobody new is let in");
    }

    /// Tells everybody that it is over, closes all connections and ends.
    pub async fn stop(&self) {
        self.drain();
        let at = At {
            shared: &self.shared,
            host: "",
        };
        self.shared.halls.stop(&at, self.shared.now());
        // No receiver left is the same as nobody to tell.
        self.shared.stopping.send_replace(true);
        let gone = async { self.shared.stopping.closed().await };
        if tokio::time::timeout(FAREWELL, gone).await.is_err() {
            tracing::warn!("some connections did not say goodbye in time and were cut");
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.tasks.iter().for_each(JoinHandle::abort);
    }
}

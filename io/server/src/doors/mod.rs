//! Doors for clients of other systems: which are open, where they listen, and what all of them share.

mod apprtc;
mod config;
mod devices;
mod dotvoice;
mod gate;
mod listen;
mod socketio;
mod stay;
mod websocket;

use std::{net::SocketAddr, sync::Arc};

use axum::{
    Router,
    extract::Request,
    middleware::{Next, from_fn},
};
use tokio::{net::TcpListener, task::JoinHandle};

use crate::shared::Shared;
pub use config::{AppRtcConfig, DevicesConfig, DoorName, DoorsConfig, DotVoiceConfig, SocketIoConfig};

/// Where a door can be found, as the start-up lines say it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct DoorSign {
    /// Which.
    pub door: &'static str,
    /// Where it listens alone; nowhere if it is on the main port only.
    pub listening: Vec<SocketAddr>,
    /// Its paths on the main port.
    pub paths: &'static str,
}

/// All doors that are open.
#[derive(Default)]
pub(crate) struct Doors {
    /// What they add to the main port.
    main: Router,
    /// What they serve elsewhere.
    pub(crate) own: Vec<(TcpListener, Router)>,
    pub(crate) signs: Vec<DoorSign>,
    /// Takes WebSockets from any path of the main port.
    anywhere: Option<devices::Anywhere>,
    /// What runs for them.
    pub(crate) tasks: Vec<JoinHandle<()>>,
}

impl Doors {
    /// Opens those that the configuration wants.
    pub(crate) async fn open(shared: &Arc<Shared>) -> anyhow::Result<Self> {
        let mut doors = Self::default();
        let config = &shared.config.doors;
        let wanted = |door| config.is_open(door, shared.config.is_development());
        if wanted(DoorName::Socketio) {
            let (router, task) = socketio::router(shared);
            doors.tasks.push(task);
            let listeners = listen::bind(&config.socketio.listen).await?;
            let own = listen::with_files(router.clone(), config.socketio.files.as_deref());
            doors.add("socketio", "/socket.io/", router, listeners, &own);
        }
        if wanted(DoorName::Apprtc) {
            let (main, own) = apprtc::routers(shared);
            let listeners =
                listen::bind_beside(&shared.config, config.apprtc.listen.as_deref(), 8443).await?;
            doors.add("apprtc", "/join/ and /collider/", main, listeners, &own);
        }
        if wanted(DoorName::Devices) {
            let routers = devices::routers(shared)?;
            let listeners =
                listen::bind_beside(&shared.config, config.devices.listen.as_deref(), 9238).await?;
            doors.anywhere = Some(routers.anywhere);
            let paths = "any WebSocket with ?pc or ?app, /device and /devices";
            doors.add(devices::DOOR, paths, routers.main, listeners, &routers.alone);
        }
        if wanted(DoorName::Dotvoice) {
            let router = dotvoice::router(shared);
            let listeners =
                listen::bind_beside(&shared.config, config.dotvoice.listen.as_deref(), 10_000).await?;
            let paths = "/api/generateTestToken and /dotvoice";
            doors.add(dotvoice::DOOR, paths, router.clone(), listeners, &router);
        }
        for sign in &doors.signs {
            // Shown before anything is counted.
            drop(shared.metrics.door(sign.door));
        }
        Ok(doors)
    }

    /// What the main port serves: `router`, and what the doors add to it.
    pub(crate) fn join(&mut self, router: Router) -> Router {
        let router = router.merge(std::mem::take(&mut self.main));
        match self.anywhere.take() {
            Some(anywhere) => router.layer(from_fn(move |request: Request, next: Next| {
                anywhere.clone().take(request, next)
            })),
            None => router,
        }
    }

    fn add(
        &mut self,
        door: &'static str,
        paths: &'static str,
        main: Router,
        listeners: Vec<TcpListener>,
        own: &Router,
    ) {
        let listening = listeners
            .iter()
            .filter_map(|listener| listener.local_addr().ok())
            .collect();
        self.main = std::mem::take(&mut self.main).merge(main);
        self.own
            .extend(listeners.into_iter().map(|listener| (listener, own.clone())));
        self.signs.push(DoorSign {
            door,
            listening,
            paths,
        });
    }
}

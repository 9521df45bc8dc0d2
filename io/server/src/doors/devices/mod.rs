//! The devices door: a WebSocket for each browser and each device, and the list of devices.

mod line;
mod list;

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use axum::{
    Extension, Router,
    extract::{Request, State},
    http::{StatusCode, header},
    middleware::{Next, from_fn},
    response::{IntoResponse, Response},
    routing::{get, post},
};
use tokio::sync::Notify;
use trefoil_devices::{Address, Register, Role};
use trefoil_store::Kept;

use super::{gate, listen, stay::Stay, websocket};
use crate::{accept::Remote, http::HostName, shared::Shared};

pub(super) const DOOR: &str = "devices";

/// What all WebSockets and requests of this door share.
pub(super) struct Desk {
    shared: Arc<Shared>,
    places: Mutex<BTreeMap<(Address, Role), Arc<Place>>>,
    devices: Mutex<Kept<Register>>,
}

/// Where one WebSocket is, so that a newer one can take its place.
#[derive(Default)]
struct Place {
    stay: Mutex<Option<Stay>>,
    taken: Notify,
}

/// What this door adds to the main port, what it serves where it is alone, and what takes WebSockets from every path.
pub(super) struct Routers {
    pub(super) main: Router,
    pub(super) alone: Router,
    pub(super) anywhere: Anywhere,
}

/// Takes WebSockets of this protocol from any path of the main port.
#[derive(Clone)]
pub(crate) struct Anywhere(Arc<Desk>);

pub(super) fn routers(shared: &Arc<Shared>) -> anyhow::Result<Routers> {
    let devices = Kept::open(shared.config.doors.devices.store.clone())?;
    let desk = Arc::new(Desk {
        shared: shared.clone(),
        places: Mutex::default(),
        devices: Mutex::new(devices),
    });
    let main = Router::new()
        .route("/device", post(list::add).delete(list::remove))
        .route("/devices", get(list::list));
    let alone = main.clone().fallback(anything);
    let guarded = |routes: Router<Arc<Desk>>| {
        let shared = shared.clone();
        let pass = move |request: Request, next: Next| {
            let shared = shared.clone();
            async move { gate::pass(&shared, &[], false, request, next).await }
        };
        routes.layer(from_fn(pass)).with_state(desk.clone())
    };
    Ok(Routers {
        main: guarded(main),
        alone: guarded(alone),
        anywhere: Anywhere(desk),
    })
}

impl Anywhere {
    /// Takes a request if it is a WebSocket of this protocol, and hands it on otherwise.
    pub(crate) async fn take(self, mut request: Request, next: Next) -> Response {
        let upgrades = request.headers().contains_key(header::UPGRADE);
        if !upgrades || !Role::is_named(request.uri().query()) {
            return next.run(request).await;
        }
        let shared = &self.0.shared;
        let asked = request.headers().clone();
        let answer = match crate::http::admit(shared, &request, &[]) {
            Ok(host) => {
                request.extensions_mut().insert(host);
                connect(&self.0, request)
            }
            Err(problem) => problem.into_response(),
        };
        gate::answer(shared, &asked, answer)
    }
}

/// Any path where the door is alone: a WebSocket, a file, or nothing, which is 200.
async fn anything(State(desk): State<Arc<Desk>>, request: Request) -> Response {
    if request.headers().contains_key(header::UPGRADE) {
        return connect(&desk, request);
    }
    match desk.shared.config.doors.devices.files.as_deref() {
        Some(folder) => listen::file(folder, request.method(), request.uri().path()).await,
        None => ([(header::CONTENT_TYPE, "application/json;charset=UTF-8")], "").into_response(),
    }
}

/// A WebSocket: refused with 502 where there is no seat, as the original does.
fn connect(desk: &Arc<Desk>, request: Request) -> Response {
    let shared = &desk.shared;
    let (Some(remote), Some(host)) = (
        request.extensions().get::<Remote>().cloned(),
        request.extensions().get::<HostName>().cloned(),
    ) else {
        return StatusCode::BAD_GATEWAY.into_response();
    };
    let query = request.uri().query();
    let caller = line::Caller {
        address: Address::of_path(request.uri().path()),
        role: Role::of_query(query),
        token: gate::asked(query, "token"),
        host: host.name,
    };
    if shared.is_draining() || !desk.has_seat(&caller) {
        shared.metrics.refused("room_full");
        return StatusCode::BAD_GATEWAY.into_response();
    }
    let served = desk.clone();
    websocket::open(shared, Extension(remote), request, move |socket| async move {
        line::serve(served, caller, socket).await;
    })
}

impl Desk {
    /// Whether somebody could come in; who has the same role in the room gives way.
    fn has_seat(&self, caller: &line::Caller) -> bool {
        let shared = &self.shared;
        let line::Caller {
            address, role, token, ..
        } = caller;
        let claims = shared.visitor_claims(token.as_deref(), &address.namespace, &address.room, None);
        let Ok(claims) = claims else { return false };
        let gives_way = lock(&self.places).contains_key(&(address.clone(), *role));
        let now = shared.now();
        let seen = shared
            .halls
            .peek(&claims.ns, &claims.room, now, |hall| match hall {
                Ok(hall) => hall.may_join(&claims.sub, Some(line::manner(*role)), now).is_ok(),
                Err(settings) => shared.halls.rules().may_be(settings.topology).is_ok(),
            });
        gives_way || seen.unwrap_or(false)
    }

    /// Whether anybody is in the room that a device's code names.
    fn is_online(&self, code: &str) -> bool {
        let Address { namespace, room } = Address::of_path(code);
        let seen = self
            .shared
            .halls
            .peek(&namespace, &room, self.shared.now(), |hall| {
                hall.map_or(0, |hall| hall.room().participants().len())
            });
        seen.unwrap_or(0) > 0
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

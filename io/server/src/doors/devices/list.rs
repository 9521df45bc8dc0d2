//! The list of devices over HTTP: added, listed and removed, in the original's words.

use std::sync::Arc;

use axum::{
    body::Bytes,
    extract::State,
    http::{HeaderMap, Uri, header},
    response::{IntoResponse, Response},
};
use serde_json::{Value, json};
use trefoil_devices::{Device, Fields, Online, Wanted, clock_text};

use super::{Desk, lock};
use crate::{doors::gate::asked, http::admin, shared::unix_seconds};

/// The largest page.
const PAGE_LIMIT: usize = 1000;

fn told(success: bool, message: &str, data: &Value) -> Response {
    let body = json!({"success": success, "message": message, "data": data});
    let head = [
        (header::CONTENT_TYPE, "application/json;charset=UTF-8"),
        (header::ACCESS_CONTROL_EXPOSE_HEADERS, "JSESSIONID"),
    ];
    (head, body.to_string()).into_response()
}

/// Whether somebody may change the list: anybody where guests may come in, otherwise who has a key.
fn may_write(desk: &Desk, headers: &HeaderMap) -> bool {
    let config = &desk.shared.config;
    let open = config.is_development() || config.doors.guests;
    let allowed = open || admin(&desk.shared, headers).is_ok();
    if !allowed {
        desk.shared.metrics.refused("unauthorized");
    }
    allowed
}

pub(super) async fn add(State(desk): State<Arc<Desk>>, headers: HeaderMap, body: Bytes) -> Response {
    let failed = || told(false, "添加失败", &Value::Null);
    if body.len() > desk.shared.config.limits.body_bytes || !may_write(&desk, &headers) {
        return failed();
    }
    let form = String::from_utf8_lossy(&body).into_owned();
    let field = |name| asked(Some(&form), name).unwrap_or_default();
    let fields = Fields {
        code: field("code"),
        install_address: field("install_address"),
        install_time: field("install_time"),
        description: field("description"),
    };
    let Some(id) = fresh_id() else { return failed() };
    let limit = desk.shared.config.doors.devices.devices;
    let done = change(desk, move |register| {
        register
            .with(fields, id, clock_text(unix_seconds()), limit)
            .map_err(|why| tracing::debug!(?why, "a device was not added"))
            .ok()
    });
    if done.await {
        told(true, "添加成功", &Value::Null)
    } else {
        failed()
    }
}

pub(super) async fn remove(State(desk): State<Arc<Desk>>, headers: HeaderMap, uri: Uri) -> Response {
    let query = uri.query();
    let which = asked(query, "id").or_else(|| asked(query, "code"));
    let done = match which.filter(|_| may_write(&desk, &headers)) {
        Some(which) => change(desk, move |register| register.without(&which)).await,
        None => false,
    };
    if done {
        told(true, "删除成功", &Value::Null)
    } else {
        told(false, "删除失败", &Value::Null)
    }
}

/// Changes what is kept, on a thread that may wait for the disk; whether that was done.
async fn change(
    desk: Arc<Desk>,
    change: impl FnOnce(&trefoil_devices::Register) -> Option<trefoil_devices::Register> + Send + 'static,
) -> bool {
    let change = move || {
        let mut devices = lock(&desk.devices);
        let Some(changed) = change(devices.value()) else {
            return false;
        };
        devices
            .set(changed)
            .map_err(|error| tracing::warn!("devices: {error:#}"))
            .is_ok()
    };
    tokio::task::spawn_blocking(change).await.unwrap_or(false)
}

pub(super) async fn list(State(desk): State<Arc<Desk>>, uri: Uri) -> Response {
    let query = uri.query();
    let number = |name: &str, default: usize| {
        asked(query, name)
            .and_then(|text| text.parse().ok())
            .unwrap_or(default)
    };
    let wanted = Wanted {
        code: asked(query, "code").filter(|code| !code.is_empty()),
        online: match asked(query, "online").as_deref() {
            Some("y") => Online::Yes,
            Some("n") => Online::No,
            Some(_) | None => Online::Any,
        },
        page: number("page", 1),
        page_size: number("pageSize", 10).clamp(1, PAGE_LIMIT),
    };
    let register = lock(&desk.devices).value().clone();
    let listing = register.list(&wanted, |code| desk.is_online(code));
    let rows: Vec<_> = listing
        .rows
        .iter()
        .map(|(device, online)| row(device, *online))
        .collect();
    told(
        true,
        "设备列表获取成功",
        &json!({"total": listing.total, "rows": rows}),
    )
}

fn row(device: &Device, online: bool) -> Value {
    let mut row = json!(device);
    if let Some(row) = row.as_object_mut() {
        row.insert("online".into(), json!(if online { "y" } else { "n" }));
    }
    row
}

/// A random UUID (RFC 9562, version 4).
fn fresh_id() -> Option<String> {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes).ok()?;
    let number = u128::from_be_bytes(bytes) & !(0xf << 76) & !(0x3 << 62) | 0x4 << 76 | 0x2 << 62;
    let text = format!("{number:032x}");
    let part = |from, to| text.get(from..to);
    Some(format!(
        "{}-{}-{}-{}-{}",
        part(0, 8)?,
        part(8, 12)?,
        part(12, 16)?,
        part(16, 20)?,
        part(20, 32)?
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_says_that_it_is_random() {
        let id = fresh_id().unwrap();
        assert_eq!(id.len(), 36);
        assert_eq!(id.as_bytes()[14], b'4');
        assert!(b"89ab".contains(&id.as_bytes()[19]), "{id}");
        assert_ne!(fresh_id().unwrap(), id);
    }
}

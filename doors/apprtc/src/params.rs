//! What the room server tells clients of how to call: many of its values are texts that hold JSON.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};
use trefoil_wire::IceServer;

/// The query of a page or of a join, read already.
pub type Query = BTreeMap<String, String>;

/// Where a client is to find this server, and the room.
#[derive(Clone, Copy, Debug)]
pub struct Place<'a> {
    /// Whether clients reach it over TLS.
    pub secure: bool,
    /// Host and port, as the client calls it.
    pub host: &'a str,
    /// The room and the id of the client there, if it has joined.
    pub seat: Option<(&'a str, &'a str)>,
    /// The room that a page is about, if it is about one.
    pub room: Option<&'a str>,
    /// The query as it was written.
    pub raw_query: &'a str,
    /// What lets a client ask for ICE servers.
    pub key: &'a str,
    /// Whether its user agent is a Chromium on a desktop, which is asked for HD.
    pub desktop_chrome: bool,
}

fn said<'a>(query: &'a Query, name: &str) -> Option<&'a str> {
    query
        .get(name)
        .map(String::as_str)
        .filter(|value| !value.is_empty())
}

/// The parameters for a page or for `/params`: all that do not depend on a seat.
#[must_use]
pub fn page_params(place: Place<'_>, query: &Query) -> Map<String, Value> {
    let scheme = if place.secure { "https" } else { "http" };
    let base = format!("{scheme}://{}", place.host);
    let (wss_url, wss_post_url) = collider(place, query);
    let loopback = said(query, "debug") == Some("loopback");
    let ice_base = said(query, "ts").unwrap_or(&base).trim_end_matches('/');
    let key = said(query, "apikey").unwrap_or(place.key);
    let mut params = Map::new();
    let mut set = |name: &str, value: Value| params.insert(name.to_owned(), value);
    set("error_messages", json!([]));
    set("warning_messages", json!([]));
    set("is_loopback", json!(loopback.to_string()));
    set("pc_config", json!(connection_config(query)));
    set("pc_constraints", json!(connection_constraints(query)));
    set("offer_options", json!("{}"));
    set("media_constraints", json!(media_constraints(place, query)));
    set(
        "ice_server_url",
        json!(format!("{ice_base}/v1alpha/iceconfig?key={key}")),
    );
    set(
        "ice_server_transports",
        json!(said(query, "tt").unwrap_or_default()),
    );
    let script = r#"<script src="/js/loopback.js"></script>"#;
    set("include_loopback_js", json!(if loopback { script } else { "" }));
    set("wss_url", json!(wss_url));
    set("wss_post_url", json!(wss_post_url));
    set("bypass_join_confirmation", json!("false"));
    set("version_info", json!("null"));
    set("header_message", Value::Null);
    if let Some(room) = place.room {
        let more = if place.raw_query.is_empty() { "" } else { "?" };
        set("room_id", json!(room));
        set(
            "room_link",
            json!(format!("{base}/r/{room}{more}{}", place.raw_query)),
        );
    }
    params
}

/// The parameters for somebody who has joined.
#[must_use]
pub fn room_params(
    place: Place<'_>,
    query: &Query,
    initiator: bool,
    messages: &[String],
) -> Map<String, Value> {
    let mut params = page_params(place, query);
    if let Some((_, client)) = place.seat {
        params.insert("client_id".into(), json!(client));
    }
    params.insert("is_initiator".into(), json!(initiator.to_string()));
    params.insert("messages".into(), json!(messages));
    params
}

/// Where Collider is: under a prefix of this server, or where the page says.
fn collider(place: Place<'_>, query: &Query) -> (String, String) {
    let plain = said(query, "wstls").map_or(!place.secure, |tls| tls == "false");
    let (ws, http) = if plain { ("ws", "http") } else { ("wss", "https") };
    match said(query, "wshpp") {
        Some(host) => (format!("{ws}://{host}/ws"), format!("{http}://{host}")),
        None => (
            format!("{ws}://{}/collider/ws", place.host),
            format!("{http}://{}/collider", place.host),
        ),
    }
}

/// ICE servers are asked for elsewhere: what AppRTCMobile reads here it cannot use.
fn connection_config(query: &Query) -> String {
    let mut config = json!({"rtcpMuxPolicy": "require", "bundlePolicy": "max-bundle", "iceServers": []});
    if let (Some(transports), Some(config)) = (said(query, "it"), config.as_object_mut()) {
        config.insert("iceTransports".into(), json!(transports));
    }
    config.to_string()
}

fn connection_constraints(query: &Query) -> String {
    let names = [
        ("dtls", "DtlsSrtpKeyAgreement"),
        ("dscp", "googDscp"),
        ("ipv6", "googIPv6"),
    ];
    let wished = names.iter().filter_map(|(short, name)| {
        let wish = match said(query, short)? {
            "true" => true,
            "false" => false,
            _ => return None,
        };
        Some(json!({*name: wish}))
    });
    json!({"optional": wished.collect::<Vec<_>>()}).to_string()
}

fn media_constraints(place: Place<'_>, query: &Query) -> String {
    let hd = match said(query, "hd") {
        Some(wish) => wish == "true",
        None => place.desktop_chrome,
    };
    let video = match said(query, "video") {
        None if hd => {
            json!({"optional": [{"minWidth": "1280"}, {"minHeight": "720"}], "mandatory": {}})
        }
        wish => kind_constraints(wish),
    };
    let mut constraints = json!({"audio": kind_constraints(said(query, "audio")), "video": video});
    if said(query, "firefox_fake_device") == Some("true")
        && let Some(constraints) = constraints.as_object_mut()
    {
        constraints.insert("fake".into(), json!(true));
    }
    constraints.to_string()
}

/// `true`, `false`, or `name=value,...`: names of Google's are wishes, others musts, unless a prefix says so.
fn kind_constraints(wish: Option<&str>) -> Value {
    match wish.map(str::to_ascii_lowercase).as_deref() {
        None | Some("true") => return json!(true),
        Some("false") => return json!(false),
        Some(_) => {}
    }
    let (mut mandatory, mut optional) = (Map::new(), Vec::new());
    for pair in wish.unwrap_or_default().split(',') {
        let Some((name, value)) = pair.split_once('=') else {
            continue;
        };
        let (wished, name) = match name.split_once(':') {
            Some(("mandatory", name)) => (false, name),
            Some(("optional", name)) => (true, name),
            Some((_, name)) => (name.starts_with("goog"), name),
            None => (name.starts_with("goog"), name),
        };
        if wished {
            optional.push(json!({name: value}));
        } else {
            mandatory.insert(name.to_owned(), json!(value));
        }
    }
    json!({"optional": optional, "mandatory": mandatory})
}

/// The answer to a request for ICE servers; none that has no URL, which browsers refuse.
#[must_use]
pub fn ice_config(servers: &[IceServer], seconds: u64) -> Value {
    let servers: Vec<_> = servers.iter().filter(|server| !server.urls.is_empty()).collect();
    json!({"lifetimeDuration": format!("{seconds}.000s"), "iceServers": servers})
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLACE: Place<'static> = Place {
        secure: true,
        host: "meet.example.org",
        seat: Some(("testroom1", "82528880")),
        room: Some("testroom1"),
        raw_query: "hd=true",
        key: "",
        desktop_chrome: false,
    };

    fn query(pairs: &[(&str, &str)]) -> Query {
        pairs
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect()
    }

    #[test]
    fn somebody_who_joins_is_told_all_that_the_original_tells() {
        let params = room_params(PLACE, &query(&[]), true, &["{\"type\":\"offer\"}".into()]);
        for (name, value) in [
            ("client_id", json!("82528880")),
            ("room_id", json!("testroom1")),
            ("room_link", json!("https://meet.example.org/r/testroom1?hd=true")),
            ("is_initiator", json!("true")),
            ("messages", json!(["{\"type\":\"offer\"}"])),
            ("wss_url", json!("wss://meet.example.org/collider/ws")),
            ("wss_post_url", json!("https://meet.example.org/collider")),
            (
                "pc_config",
                json!(r#"{"rtcpMuxPolicy":"require","bundlePolicy":"max-bundle","iceServers":[]}"#),
            ),
            ("pc_constraints", json!(r#"{"optional":[]}"#)),
            ("media_constraints", json!(r#"{"audio":true,"video":true}"#)),
            (
                "ice_server_url",
                json!("https://meet.example.org/v1alpha/iceconfig?key="),
            ),
            ("is_loopback", json!("false")),
            ("bypass_join_confirmation", json!("false")),
            ("version_info", json!("null")),
        ] {
            assert_eq!(params[name], value, "{name}");
        }
    }

    #[test]
    fn the_page_may_choose_by_its_query() {
        let chosen = query(&[
            ("wshpp", "other.example:8089"),
            ("wstls", "false"),
            ("it", "relay"),
            ("tt", "tcp"),
            ("audio", "false"),
            ("video", "minWidth=640,googNoise=1,optional:maxHeight=480"),
            ("dscp", "true"),
            ("debug", "loopback"),
            ("ts", "https://ice.example/"),
            ("apikey", "k"),
        ]);
        let params = page_params(PLACE, &chosen);
        assert_eq!(params["wss_url"], "ws://other.example:8089/ws");
        assert_eq!(params["wss_post_url"], "http://other.example:8089");
        assert_eq!(params["ice_server_transports"], "tcp");
        assert_eq!(
            params["ice_server_url"],
            "https://ice.example/v1alpha/iceconfig?key=k"
        );
        assert_eq!(params["pc_constraints"], r#"{"optional":[{"googDscp":true}]}"#);
        assert_eq!(
            params["media_constraints"],
            r#"{"audio":false,"video":{"optional":[{"googNoise":"1"},{"maxHeight":"480"}],"mandatory":{"minWidth":"640"}}}"#
        );
        assert!(
            params["pc_config"]
                .as_str()
                .unwrap()
                .contains(r#""iceTransports":"relay""#)
        );
        assert_eq!(params["is_loopback"], "true");
    }

    #[test]
    fn a_desktop_chromium_is_asked_for_hd() {
        let place = Place {
            desktop_chrome: true,
            ..PLACE
        };
        let params = page_params(place, &query(&[]));
        assert_eq!(
            params["media_constraints"],
            r#"{"audio":true,"video":{"optional":[{"minWidth":"1280"},{"minHeight":"720"}],"mandatory":{}}}"#
        );
        let params = page_params(place, &query(&[("hd", "false")]));
        assert_eq!(params["media_constraints"], r#"{"audio":true,"video":true}"#);
    }

    #[test]
    fn ice_servers_never_have_empty_urls() {
        let empty = IceServer {
            urls: Vec::new(),
            username: None,
            credential: None,
        };
        assert_eq!(ice_config(&[empty], 60)["iceServers"], json!([]));
        let turn = IceServer {
            urls: vec!["turn:h".into()],
            username: Some("u".into()),
            credential: Some("c".into()),
        };
        assert_eq!(
            ice_config(&[turn], 60),
            json!({"lifetimeDuration": "60.000s", "iceServers": [{"urls": ["turn:h"], "username": "u", "credential": "c"}]})
        );
    }
}

//! Who may ask: the host must be ours, the origin allowed; and what every answer says to browsers.

use std::sync::Arc;

use axum::{
    extract::{Request, State},
    http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header},
    middleware::Next,
    response::{IntoResponse, Response},
};

use super::{App, Problem};
use crate::{config::seconds, shared::Shared};

/// The name by which the client calls this server.
#[derive(Clone)]
pub(crate) struct HostName {
    /// With the port, as in the `Host` header.
    pub(crate) authority: Arc<str>,
    /// Without the port; an IPv6 address in brackets.
    pub(crate) name: Arc<str>,
}

/// Checks host and origin, bounds the time of the request, and completes and counts the answer.
pub(crate) async fn check(State(shared): State<App>, mut request: Request, next: Next) -> Response {
    let origin = request.headers().get(header::ORIGIN).cloned();
    let mut response = match admit(&shared, &request, &[]) {
        Err(problem) => problem.into_response(),
        Ok(host) if is_preflight(&request) => {
            drop(host);
            preflight()
        }
        Ok(host) => {
            request.extensions_mut().insert(host);
            let deadline = seconds(shared.config.limits.body_seconds);
            match tokio::time::timeout(deadline, next.run(request)).await {
                Ok(response) => response,
                Err(_) => Problem::too_late().into_response(),
            }
        }
    };
    let refused = complete(&shared, &mut response);
    let headers = response.headers_mut();
    if let Some(origin) = origin.filter(|_| refused != Some("origin_not_allowed")) {
        headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin);
        headers.insert(
            header::ACCESS_CONTROL_EXPOSE_HEADERS,
            HeaderValue::from_static("retry-after"),
        );
    }
    response
}

/// Counts an answer and gives it what every answer carries; the code of a refusal.
pub(crate) fn complete(shared: &Shared, response: &mut Response) -> Option<&'static str> {
    let refused = Problem::code_of(response);
    if let Some(code) = refused {
        shared.metrics.refused(code);
    }
    shared.metrics.answered(response.status().as_u16());
    let headers = response.headers_mut();
    headers.insert(
        header::X_CONTENT_TYPE_OPTIONS,
        HeaderValue::from_static("nosniff"),
    );
    headers.append(header::VARY, HeaderValue::from_static("origin"));
    headers
        .entry(header::CACHE_CONTROL)
        .or_insert(HeaderValue::from_static("no-store"));
    refused
}

/// The host that a request names, if that is ours and its origin may ask; `also` are origins that may besides the usual.
pub(crate) fn admit(shared: &Shared, request: &Request, also: &[String]) -> Result<HostName, Problem> {
    let headers = request.headers();
    let host = host(headers).ok_or_else(|| {
        Problem::bad_request("exactly one Host header with a host name or address is needed")
    })?;
    // A name that somebody else's DNS points here must not make a page of theirs ours (DNS rebinding).
    if shared.config.is_development() && !is_local(&host.name) {
        return Err(Problem::origin(
            "in development mode this server answers to localhost and addresses only; configure keys to serve other names",
        ));
    }
    match only(headers, header::ORIGIN) {
        Ok(None) => Ok(host),
        Ok(Some(origin)) if is_allowed(shared, &host, origin) || also.iter().any(|one| one == origin) => {
            Ok(host)
        }
        Ok(Some(_)) | Err(()) => Err(Problem::origin(
            "pages of this origin may not use this server; add the origin to origins in its configuration",
        )),
    }
}

fn is_allowed(shared: &Shared, host: &HostName, origin: &str) -> bool {
    let same = origin
        .strip_prefix("http://")
        .or_else(|| origin.strip_prefix("https://"));
    let public = shared
        .config
        .public_url
        .as_deref()
        .map(|url| url.trim_end_matches('/'));
    let listed = shared
        .config
        .origins
        .iter()
        .any(|allowed| allowed.eq_ignore_ascii_case(origin));
    same.is_some_and(|same| same.eq_ignore_ascii_case(&host.authority)) || public == Some(origin) || listed
}

/// The value of a header that may be there once at most.
fn only(headers: &HeaderMap, name: HeaderName) -> Result<Option<&str>, ()> {
    let mut values = headers.get_all(name).iter();
    match (values.next(), values.next()) {
        (None, _) => Ok(None),
        (Some(value), None) => value.to_str().map(Some).map_err(|_| ()),
        (Some(_), Some(_)) => Err(()),
    }
}

fn host(headers: &HeaderMap) -> Option<HostName> {
    let authority = only(headers, header::HOST).ok()??;
    let name = match authority.rsplit_once(':') {
        Some((name, port)) if !name.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit()) => name,
        Some(_) | None => authority,
    };
    let bracketed = name.strip_prefix('[').and_then(|name| name.strip_suffix(']'));
    let good = match bracketed {
        Some(address) => address.parse::<std::net::Ipv6Addr>().is_ok(),
        None => name
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"-._".contains(&byte)),
    };
    (good && !name.is_empty() && name.len() <= 253).then(|| HostName {
        authority: authority.into(),
        name: name.into(),
    })
}

fn is_local(name: &str) -> bool {
    let name = name.trim_end_matches('.').to_ascii_lowercase();
    name == "localhost"
        || name.ends_with(".localhost")
        || name.starts_with('[')
        || name.parse::<std::net::Ipv4Addr>().is_ok()
}

fn is_preflight(request: &Request) -> bool {
    let asks = |name| request.headers().contains_key(name);
    *request.method() == Method::OPTIONS
        && asks(header::ORIGIN)
        && asks(header::ACCESS_CONTROL_REQUEST_METHOD)
}

fn preflight() -> Response {
    let headers = [
        (header::ACCESS_CONTROL_ALLOW_METHODS, "GET, POST, PUT, DELETE"),
        (
            header::ACCESS_CONTROL_ALLOW_HEADERS,
            "authorization, content-type",
        ),
        (header::ACCESS_CONTROL_MAX_AGE, "600"),
    ];
    (StatusCode::NO_CONTENT, headers).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(value: &str) -> Option<String> {
        let mut headers = HeaderMap::new();
        headers.insert(header::HOST, HeaderValue::from_str(value).ok()?);
        host(&headers).map(|host| host.name.to_string())
    }

    #[test]
    fn a_host_is_a_name_or_an_address_with_or_without_a_port() {
        for (given, name) in [
            ("localhost:8080", "localhost"),
            ("meet.example.org", "meet.example.org"),
            ("192.0.2.1:80", "192.0.2.1"),
            ("[::1]:8080", "[::1]"),
            ("[2001:db8::1]", "[2001:db8::1]"),
        ] {
            assert_eq!(named(given).as_deref(), Some(name));
        }
        for wrong in [
            "",
            ":80",
            "a b",
            "a/b",
            "a\"b",
            "<b>",
            "[::1",
            "[x]",
            "::1",
            "a@b",
            &"a".repeat(254),
        ] {
            assert_eq!(named(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn only_loopback_names_and_plain_addresses_are_local() {
        for local in [
            "localhost",
            "LOCALHOST",
            "app.localhost",
            "localhost.",
            "127.0.0.1",
            "[::1]",
        ] {
            assert!(is_local(local), "{local}");
        }
        for other in [
            "example.org",
            "localhost.example.org",
            "notlocalhost",
            "127.0.0.1.example.org",
            "",
        ] {
            assert!(!is_local(other), "{other}");
        }
    }
}

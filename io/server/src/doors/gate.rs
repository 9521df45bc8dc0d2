//! What every request at a door must pass: the host is ours, the origin allowed, the body comes in time.

use std::{net::IpAddr, sync::Arc};

use axum::{
    extract::Request,
    http::{HeaderMap, HeaderValue, Method, StatusCode, header},
    middleware::Next,
    response::{IntoResponse, Response},
};

use crate::{
    accept::Remote,
    addresses::Permit,
    config::seconds,
    http::{HostName, Problem, admit, complete},
    shared::Shared,
};

/// Lets a request through to a door, and lets pages of the origins that may use it read the answer.
///
/// `also` are origins that may besides those of the configuration. `patient`: the answer may take long, as a poll's does.
pub(super) async fn pass(
    shared: &Arc<Shared>,
    also: &[String],
    patient: bool,
    mut request: Request,
    next: Next,
) -> Response {
    let asked = Asked::of(request.headers());
    let response = match admit(shared, &request, also) {
        Err(problem) => problem.into_response(),
        Ok(_) if *request.method() == Method::OPTIONS => StatusCode::NO_CONTENT.into_response(),
        Ok(host) => {
            request.extensions_mut().insert(host);
            if patient {
                next.run(request).await
            } else {
                let deadline = seconds(shared.config.limits.body_seconds);
                match tokio::time::timeout(deadline, next.run(request)).await {
                    Ok(response) => response,
                    Err(_) => Problem::too_late().into_response(),
                }
            }
        }
    };
    asked.complete(shared, response)
}

/// An answer that was given before anything could pass.
pub(super) fn answer(shared: &Shared, asked: &HeaderMap, response: Response) -> Response {
    Asked::of(asked).complete(shared, response)
}

/// What a browser wants to know of who may ask.
struct Asked {
    origin: Option<HeaderValue>,
    headers: Option<HeaderValue>,
}

impl Asked {
    fn of(headers: &HeaderMap) -> Self {
        Self {
            origin: headers.get(header::ORIGIN).cloned(),
            headers: headers.get(header::ACCESS_CONTROL_REQUEST_HEADERS).cloned(),
        }
    }

    fn complete(self, shared: &Shared, mut response: Response) -> Response {
        let refused = complete(shared, &mut response);
        let headers = response.headers_mut();
        let Some(origin) = self.origin else {
            headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
            return response;
        };
        if refused == Some("origin_not_allowed") {
            return response;
        }
        headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin);
        headers.insert(
            header::ACCESS_CONTROL_ALLOW_CREDENTIALS,
            HeaderValue::from_static("true"),
        );
        headers.insert(
            header::ACCESS_CONTROL_ALLOW_METHODS,
            HeaderValue::from_static("GET,POST,PUT,DELETE"),
        );
        if let Some(wanted) = self.headers {
            headers.insert(header::ACCESS_CONTROL_ALLOW_HEADERS, wanted);
        }
        response
    }
}

/// Counts a session for the address of its client, for as long as the permit lives; none where a trusted proxy does not say
/// for whom it asks.
///
/// A session is no connection: one that polls has none between two requests, and must not be free for that.
pub(super) fn count(
    shared: &Shared,
    remote: &Remote,
    headers: &HeaderMap,
) -> Result<Option<Permit>, Problem> {
    let direct: IpAddr = remote.address.ip();
    let client = if shared.proxies.trust(direct) {
        shared.proxies.client(direct, headers)
    } else {
        Some(direct)
    };
    let Some(client) = client else { return Ok(None) };
    let (permit, count) = shared.sessions.count(client);
    let limit = shared.config.limits.connections_per_address;
    if limit > 0 && count > limit {
        Err(Problem::too_many_connections())
    } else {
        Ok(Some(permit))
    }
}

/// Whether the client came over TLS: by the name that the certificate is for, or as a trusted proxy says.
pub(super) fn is_secure(
    shared: &Shared,
    host: &HostName,
    remote: Option<&Remote>,
    headers: &HeaderMap,
) -> bool {
    let public = shared
        .config
        .public_url
        .as_deref()
        .and_then(|url| url.strip_prefix("https://"));
    let named = public.is_some_and(|public| public.trim_end_matches('/') == &*host.authority);
    let trusted = remote.is_some_and(|remote| shared.proxies.trust(remote.address.ip()));
    let said = headers
        .get("x-forwarded-proto")
        .is_some_and(|scheme| scheme == "https");
    named || trusted && said
}

/// The value of `name` in a query, with escapes read.
pub(super) fn asked(query: Option<&str>, name: &str) -> Option<String> {
    let mut pairs = query?.split('&').filter_map(|pair| pair.split_once('='));
    let (_, value) = pairs.find(|(given, _)| *given == name)?;
    Some(unescape(value))
}

/// A value of a query or a form as it was meant; what is no escape or no UTF-8 stays or becomes a mark.
pub(super) fn unescape(value: &str) -> String {
    let mut bytes = Vec::with_capacity(value.len());
    let mut rest = value.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        let escaped = after
            .get(..2)
            .filter(|_| *first == b'%')
            .and_then(|digits| u8::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok());
        match (first, escaped) {
            (_, Some(byte)) => {
                bytes.push(byte);
                rest = after.get(2..).unwrap_or_default();
            }
            (b'+', None) => {
                bytes.push(b' ');
                rest = after;
            }
            (byte, None) => {
                bytes.push(*byte);
                rest = after;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_query_is_read_with_its_escapes() {
        let query = Some("EIO=4&name=Zo%C3%AB+B&token=a%2Eb&odd=%zz%");
        assert_eq!(asked(query, "name").as_deref(), Some("Zoë B"));
        assert_eq!(asked(query, "token").as_deref(), Some("a.b"));
        assert_eq!(asked(query, "odd").as_deref(), Some("%zz%"));
        assert_eq!(asked(query, "none"), None);
        assert_eq!(asked(None, "name"), None);
    }
}

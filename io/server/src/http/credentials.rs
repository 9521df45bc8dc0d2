//! Who asks: an API key by HTTP Basic, or a join token as a bearer.

use std::sync::Arc;

use axum::{
    body::to_bytes,
    extract::{FromRequest, FromRequestParts, Request},
    http::{HeaderMap, header, request::Parts},
};
use base64::{Engine, prelude::BASE64_STANDARD};
use serde::de::DeserializeOwned;
use trefoil_auth::ApiKey;
use utoipa::{
    Modify,
    openapi::security::{HttpAuthScheme, HttpBuilder, SecurityScheme},
};

use super::{App, Problem};
use crate::shared::Shared;

/// An administrator: whoever gave a configured key and its secret.
pub(crate) struct Admin(ApiKey);

impl Admin {
    /// The key's name.
    pub(crate) fn key(&self) -> &str {
        &self.0.key
    }

    /// Refuses what is in a namespace that the key has nothing to do with.
    pub(crate) fn may_enter(&self, namespace: &str) -> Result<(), Problem> {
        if self.sees(namespace) {
            Ok(())
        } else {
            Err(Problem::forbidden(
                "this key belongs to another namespace; use a key of this one",
            ))
        }
    }

    /// Whether the key has anything to do with `namespace`.
    pub(crate) fn sees(&self, namespace: &str) -> bool {
        self.0.namespace.as_ref().is_none_or(|own| own == namespace)
    }
}

/// The key that `headers` carry, if it is a right one.
pub(crate) fn admin(shared: &Shared, headers: &HeaderMap) -> Result<Admin, Problem> {
    let refused = || Problem::no_key(shared.config.is_development());
    let encoded = credential(headers, "basic").ok_or_else(refused)?;
    let decoded = BASE64_STANDARD.decode(encoded).map_err(|_| refused())?;
    let colon = decoded
        .iter()
        .position(|byte| *byte == b':')
        .ok_or_else(refused)?;
    let (name, secret) = decoded.split_at(colon);
    let key = shared
        .admin(name, secret.get(1..).unwrap_or_default())
        .ok_or_else(refused)?;
    Ok(Admin(key.clone()))
}

/// The join token that `headers` carry.
pub(crate) fn bearer(headers: &HeaderMap) -> Option<&str> {
    credential(headers, "bearer")
}

fn credential<'a>(headers: &'a HeaderMap, scheme: &str) -> Option<&'a str> {
    let (given, credential) = headers
        .get(header::AUTHORIZATION)?
        .to_str()
        .ok()?
        .split_once(' ')?;
    given.eq_ignore_ascii_case(scheme).then(|| credential.trim())
}

impl FromRequestParts<App> for Admin {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, shared: &Arc<Shared>) -> Result<Self, Problem> {
        admin(shared, &parts.headers)
    }
}

/// A JSON body; an empty one is the default.
pub(crate) struct Body<T>(pub(crate) T);

impl<T: DeserializeOwned> FromRequest<App> for Body<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, shared: &Arc<Shared>) -> Result<Self, Problem> {
        let limit = shared.config.limits.body_bytes;
        let declared = request
            .headers()
            .get(header::CONTENT_LENGTH)
            .and_then(|length| length.to_str().ok()?.parse().ok());
        if declared.is_some_and(|declared: usize| declared > limit) {
            return Err(Problem::too_large(limit));
        }
        // Of what was not declared too long, only the limit itself can fail but for the connection's end.
        let bytes = to_bytes(request.into_body(), limit)
            .await
            .map_err(|_| Problem::too_large(limit))?;
        let text = std::str::from_utf8(&bytes)
            .ok()
            .filter(|text| !trefoil_wire::is_too_deep(text));
        let text =
            text.ok_or_else(|| Problem::bad_request("the body is not JSON in UTF-8, or nested too deep"))?;
        let text = if text.trim_ascii().is_empty() { "{}" } else { text };
        let body = serde_json::from_str(text);
        body.map(Self)
            .map_err(|error| Problem::bad_request(format!("the body is not what this path takes: {error}")))
    }
}

/// How a key and a token are given, for the OpenAPI document.
pub(super) struct Schemes;

impl Modify for Schemes {
    fn modify(&self, document: &mut utoipa::openapi::OpenApi) {
        let components = document.components.get_or_insert_default();
        let scheme = |scheme, description: &str| {
            SecurityScheme::Http(
                HttpBuilder::new()
                    .scheme(scheme)
                    .description(Some(description))
                    .build(),
            )
        };
        let key = scheme(
            HttpAuthScheme::Basic,
            "An API key as name, its secret as password",
        );
        let token = scheme(
            HttpAuthScheme::Bearer,
            "A join token: a JWT signed with HS256 by an API key's secret",
        );
        components.add_security_scheme("key", key);
        components.add_security_scheme("token", token);
    }
}

//! Join tokens: JSON Web Tokens signed with HS256, checked against a list of API keys and a time that the caller gives.

use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation, dangerous};
use serde::{Deserialize, Serialize};

use crate::{Permission, Role, Secret};

/// A longer token is refused before anything in it is read.
pub const TOKEN_BYTES_LIMIT: usize = 8 * 1024;

/// How far the clocks of whoever signs and of this machine may differ, in seconds.
pub const LEEWAY_SECONDS: u64 = 60;

/// What a join token says (RFC 7519 section 4); times are in seconds since 1970.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Claims {
    /// The API key that signed it.
    pub iss: String,
    /// The identity: who takes the seat.
    pub sub: String,
    /// The namespace of the room.
    pub ns: String,
    /// The one room that the token opens.
    pub room: String,
    /// The name that others see; the identity where it is left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// The role; `speaker` where it is left out.
    #[serde(default)]
    pub role: Role,
    /// Permissions instead of the role's own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub permissions: Option<Vec<Permission>>,
    /// Whether they watch unseen: the others are not told of them, and all that they may do is subscribe.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub hidden: bool,
    /// It opens nothing from then on.
    pub exp: u64,
    /// It opens nothing before then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub nbf: Option<u64>,
}

/// Whoever holds the secret may sign tokens, in one namespace or in all.
#[derive(Clone, Debug)]
pub struct ApiKey {
    /// The issuer's name, in every token that it signs.
    pub key: String,
    /// Signs and verifies.
    pub secret: Secret,
    /// The only namespace that it may open; all where it is left out.
    pub namespace: Option<String>,
}

/// The token does not verify; it says no more, whatever the reason was.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("the token is not valid here and now")]
pub struct Unauthorized;

/// A token that says `claims`, [`Claims`] or more than these, signed with `secret`.
///
/// # Errors
/// [`Unauthorized`] where the claims cannot be written as a token.
pub fn sign(claims: &impl Serialize, secret: &Secret) -> Result<String, Unauthorized> {
    let key = EncodingKey::from_secret(secret.expose());
    jsonwebtoken::encode(&Header::new(Algorithm::HS256), claims, &key).map_err(|_| Unauthorized)
}

/// What `token` says, if one of `keys` signed it with HS256 and it is valid at `now_seconds` (since 1970).
///
/// # Errors
/// [`Unauthorized`], the same for every reason.
pub fn verify(token: &str, keys: &[ApiKey], now_seconds: u64) -> Result<Claims, Unauthorized> {
    if token.len() > TOKEN_BYTES_LIMIT {
        return Err(Unauthorized);
    }
    #[derive(Deserialize)]
    struct Issuer {
        iss: String,
    }
    let Issuer { iss } = dangerous::insecure_decode_claims(token).map_err(|_| Unauthorized)?;
    let key = keys.iter().find(|key| key.key == iss).ok_or(Unauthorized)?;

    let mut validation = Validation::new(Algorithm::HS256);
    validation.required_spec_claims.clear();
    // The times are checked below against the caller's clock.
    validation.validate_exp = false;
    validation.set_issuer(&[&key.key]);
    let decoding = DecodingKey::from_secret(key.secret.expose());
    let claims: Claims = jsonwebtoken::decode(token, &decoding, &validation)
        .map_err(|_| Unauthorized)?
        .claims;

    let expired = claims.exp.saturating_add(LEEWAY_SECONDS) <= now_seconds;
    let too_early = claims
        .nbf
        .is_some_and(|nbf| nbf > now_seconds.saturating_add(LEEWAY_SECONDS));
    let elsewhere = key
        .namespace
        .as_ref()
        .is_some_and(|namespace| *namespace != claims.ns);
    if expired || too_early || elsewhere {
        Err(Unauthorized)
    } else {
        Ok(claims)
    }
}

//! `trefoil token`: a join token on standard output.

use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::{Context as _, bail};
use trefoil_auth::{Claims, Role, Secret, sign};

use crate::{arguments::TokenArguments, config::Config};

/// Prints the token and nothing else, so that a script can take it.
pub(crate) fn run(arguments: &TokenArguments) -> anyhow::Result<()> {
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .context("the clock stands before 1970")?
        .as_secs();
    let token = token(arguments, now)?;
    #[allow(clippy::print_stdout, reason = "what was asked for")]
    {
        println!("{token}");
    }
    Ok(())
}

fn token(arguments: &TokenArguments, now_seconds: u64) -> anyhow::Result<String> {
    let (key, secret) = signer(arguments)?;
    let claims = Claims {
        iss: key,
        sub: arguments.identity.clone(),
        ns: arguments.namespace.clone(),
        room: arguments.room.clone(),
        name: arguments.name.clone(),
        role: role(&arguments.role)?,
        permissions: None,
        hidden: arguments.hidden,
        exp: now_seconds + arguments.ttl,
        nbf: None,
    };
    sign(&claims, &secret).context("these claims cannot be signed")
}

/// The roles have one list of names, the one that tokens use.
fn role(name: &str) -> anyhow::Result<Role> {
    serde_json::from_value(name.into())
        .with_context(|| format!("--role {name:?} is none of moderator, speaker, viewer"))
}

/// The key to sign with: given on the command line, or found in the configuration.
fn signer(arguments: &TokenArguments) -> anyhow::Result<(String, Secret)> {
    if let (Some(key), Some(secret)) = (&arguments.key, &arguments.secret) {
        return Ok((key.clone(), Secret::new(secret.clone())));
    }
    let keys = Config::read(arguments.config.as_deref())?.server.keys;
    let named = match &arguments.key {
        Some(wanted) => keys.iter().find(|key| key.key == *wanted),
        None if keys.len() > 1 => bail!("the configuration has {} keys: choose one with --key", keys.len()),
        None => keys.first(),
    };
    let Some(found) = named else {
        bail!("no key to sign with: give --config FILE with server.keys, or --key and TREFOIL_SECRET");
    };
    Ok((found.key.clone(), found.secret.clone()))
}

#[cfg(test)]
mod tests {
    use trefoil_auth::{ApiKey, verify};

    use super::*;

    fn arguments() -> TokenArguments {
        TokenArguments {
            config: None,
            key: Some("app".to_owned()),
            secret: Some("a secret of at least thirty-two characters".to_owned()),
            namespace: "default".to_owned(),
            room: "blue".to_owned(),
            identity: "ann".to_owned(),
            name: Some("Ann".to_owned()),
            role: "moderator".to_owned(),
            hidden: false,
            ttl: 60,
        }
    }

    #[test]
    fn a_token_opens_the_room_that_was_asked_for() {
        let key = ApiKey {
            key: "app".to_owned(),
            secret: Secret::new(arguments().secret.unwrap()),
            namespace: None,
        };
        let claims = verify(&token(&arguments(), 1000).unwrap(), &[key], 1000).unwrap();
        assert_eq!(
            (claims.room.as_str(), claims.sub.as_str(), claims.exp),
            ("blue", "ann", 1060)
        );
        assert_eq!(claims.role, Role::Moderator);
    }

    #[test]
    fn an_unknown_role_is_named_with_the_ones_that_exist() {
        let error = format!(
            "{:#}",
            token(
                &TokenArguments {
                    role: "king".to_owned(),
                    ..arguments()
                },
                0
            )
            .unwrap_err()
        );
        assert!(error.contains("king") && error.contains("viewer"), "{error}");
    }

    #[test]
    fn without_a_key_the_error_says_where_to_put_one() {
        let error = format!(
            "{:#}",
            token(
                &TokenArguments {
                    key: None,
                    secret: None,
                    ..arguments()
                },
                0
            )
            .unwrap_err()
        );
        assert!(error.contains("server.keys"), "{error}");
    }
}

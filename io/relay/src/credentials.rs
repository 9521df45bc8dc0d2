//! What the operator says about who may allocate: secrets, names with passwords, and an authorisation server.

use anyhow::{Context, Result, bail};
use trefoil_auth::TokenKey;
use trefoil_turn::{Credentials, ThirdParty};

use crate::{RelayConfig, Secret};

/// Bytes of the name that is in each 401, so that the answer keeps its bounds.
const MOST_SERVER_NAME: usize = 128;

/// Who may allocate.
pub(crate) fn credentials(config: &RelayConfig) -> Result<Credentials> {
    let secrets = config.secrets.iter();
    let users = config.users.iter();
    Ok(Credentials {
        secrets: secrets
            .map(|secret| secret.reveal().as_bytes().to_vec())
            .collect(),
        fixed: users
            .map(|(name, secret)| (name.clone(), secret.reveal().to_owned()))
            .collect(),
        third_party: third_party(config)?,
    })
}

/// The keys that are shared with an authorisation server, if there is one.
fn third_party(config: &RelayConfig) -> Result<Option<ThirdParty>> {
    let Some(given) = &config.third_party else {
        return Ok(None);
    };
    if given.server_name.is_empty() || given.server_name.len() > MOST_SERVER_NAME {
        bail!("`third_party.server_name` of the relay needs 1 to {MOST_SERVER_NAME} bytes");
    }
    if given.keys.is_empty() {
        bail!("`third_party.keys` of the relay is empty: nobody could be let in");
    }
    let key = |(kid, secret): (&String, &Secret)| -> Result<_> {
        let key = TokenKey::parse(secret.reveal())
            .with_context(|| format!("in `third_party.keys` of the relay, under `{kid}`"))?;
        Ok((kid.clone(), key))
    };
    Ok(Some(ThirdParty {
        server_name: given.server_name.clone(),
        keys: given.keys.iter().map(key).collect::<Result<_>>()?,
    }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::RelayThirdParty;

    #[test]
    fn a_key_of_an_authorisation_server_that_cannot_be_read_is_named_and_not_shown() {
        let given = |server_name: &str, keys: &[(&str, &str)]| {
            let keys = keys
                .iter()
                .map(|(kid, key)| ((*kid).to_owned(), Secret::new(*key)));
            let config = RelayConfig {
                third_party: Some(RelayThirdParty {
                    server_name: server_name.to_owned(),
                    keys: keys.collect(),
                }),
                ..RelayConfig::default()
            };
            third_party(&config).map_err(|error| format!("{error:#}"))
        };
        let good = "MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE=";
        assert_eq!(given("here", &[("one", good)]).unwrap().unwrap().keys.len(), 1);
        let error = given("here", &[("one", good), ("two", "hunter2")]).unwrap_err();
        assert!(error.contains("`two`") && !error.contains("hunter2"), "{error}");
        assert!(given("here", &[]).unwrap_err().contains("third_party.keys"));
        assert!(given("", &[("one", good)]).unwrap_err().contains("server_name"));
    }
}

//! Test tokens: what they are asked for with, and join tokens that say the same in the words of DotVoice's clients.

use serde::{Deserialize, Serialize};
use trefoil_auth::Claims;

/// What somebody asks a token with, in either spelling of these clients.
#[derive(Clone, PartialEq, Eq, Debug, Default, Deserialize)]
#[serde(default)]
pub struct TokenWish {
    /// The name of an API key.
    #[serde(alias = "app_key")]
    pub appkey: String,
    /// Its secret.
    pub app_secret: String,
    /// The room.
    pub room: String,
    /// Who they are.
    #[serde(alias = "user")]
    pub user_id: String,
}

/// A join token with more in it: what both kinds of clients read, which never look at the signature.
#[derive(Debug, Serialize)]
pub struct TokenClaims<'a> {
    /// What opens the room.
    #[serde(flatten)]
    claims: &'a Claims,
    /// Where the WebSocket is.
    #[serde(rename = "wsUrl")]
    ws_url: &'a str,
    user_id: &'a str,
    user: &'a str,
    app_key: &'a str,
    appkey: &'a str,
}

impl<'a> TokenClaims<'a> {
    /// The claims of a token for clients that find the WebSocket at `ws_url`.
    #[must_use]
    pub fn new(claims: &'a Claims, ws_url: &'a str) -> Self {
        let (user, key) = (claims.sub.as_str(), claims.iss.as_str());
        Self {
            claims,
            ws_url,
            user_id: user,
            user,
            app_key: key,
            appkey: key,
        }
    }
}

/// What DotEngine calls success.
const DONE: u32 = 10_000;

#[derive(Serialize)]
struct Reply<'a> {
    // The Android client takes the value of whatever member comes first.
    #[serde(skip_serializing_if = "Option::is_none")]
    token: Option<&'a str>,
    s: u32,
    e: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    d: Option<Inner<'a>>,
}

#[derive(Serialize)]
struct Inner<'a> {
    token: &'a str,
}

/// The answer with a token, in the form of both kinds of clients at once.
#[must_use]
pub fn token_reply(token: &str) -> String {
    let reply = Reply {
        token: Some(token),
        s: DONE,
        e: "",
        d: Some(Inner { token }),
    };
    // Texts and numbers can always be written.
    serde_json::to_string(&reply).unwrap_or_default()
}

/// The answer without one.
#[must_use]
pub fn refusal_reply(why: &str) -> String {
    let reply = Reply {
        token: None,
        s: DONE + 1,
        e: why,
        d: None,
    };
    serde_json::to_string(&reply).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};
    use trefoil_auth::Role;

    use super::*;

    #[test]
    fn the_android_client_finds_the_token_where_it_looks() {
        let reply = token_reply("h.p.s");
        assert_eq!(reply.split('"').nth(3), Some("h.p.s"), "{reply}");
        let reply: Value = serde_json::from_str(&reply).unwrap();
        assert_eq!(
            (&reply["s"], &reply["d"]["token"]),
            (&json!(10_000), &json!("h.p.s"))
        );
        let refused: Value = serde_json::from_str(&refusal_reply("no")).unwrap();
        assert_eq!(refused, json!({"s": 10_001, "e": "no"}));
    }

    #[test]
    fn a_wish_is_read_in_both_spellings() {
        for text in [
            r#"{"appkey":"45","app_secret":"s","room":"r","user_id":"mx"}"#,
            r#"{"app_key":"45","app_secret":"s","room":"r","user":"mx"}"#,
        ] {
            let wish: TokenWish = serde_json::from_str(text).unwrap();
            let wanted = TokenWish {
                appkey: "45".into(),
                app_secret: "s".into(),
                room: "r".into(),
                user_id: "mx".into(),
            };
            assert_eq!(wish, wanted);
        }
    }

    #[test]
    fn a_token_says_everything_twice_that_is_spelled_in_two_ways() {
        let claims = Claims {
            iss: "45".into(),
            sub: "mx".into(),
            ns: "default".into(),
            room: "lalala".into(),
            name: None,
            role: Role::Speaker,
            permissions: None,
            hidden: false,
            exp: 7,
            nbf: None,
        };
        let said = serde_json::to_value(TokenClaims::new(&claims, "ws://h/dotvoice")).unwrap();
        for (name, value) in [
            ("room", "lalala"),
            ("wsUrl", "ws://h/dotvoice"),
            ("user_id", "mx"),
            ("user", "mx"),
            ("app_key", "45"),
            ("appkey", "45"),
            ("iss", "45"),
            ("sub", "mx"),
        ] {
            assert_eq!(said[name], value, "{name}");
        }
    }
}

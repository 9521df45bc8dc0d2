//! What goes over the WebSocket, as these clients write it.

use serde::Deserialize;
use serde_json::Value;

/// What a client says.
#[derive(Clone, PartialEq, Debug)]
pub enum Message {
    /// Wants to come in.
    Join(Join),
    /// Is there still; the clients spell it `keeplive`.
    KeepAlive,
    /// Says how it is to be heard and to hear, and calls.
    Configure(Configure),
    /// Where it can be reached, which nobody needs to know.
    Candidates,
    /// Goes.
    Leave,
    /// Something else; clients of the same family say more than is known here.
    Other,
}

/// What a client comes in with.
#[derive(Clone, PartialEq, Eq, Debug, Default, Deserialize)]
#[serde(default)]
pub struct Join {
    /// The room, if it says so: the token's.
    pub room: String,
    /// The token, if the WebSocket's query had none.
    pub token: String,
}

/// How a client wants to be heard and to hear; what is `None` stays as it is.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Configure {
    /// Its microphone is off.
    pub muted: Option<bool>,
    /// How much work its mix is worth: the complexity of the encoder, 0 to 10.
    pub quality: Option<u8>,
    /// How loud the others hear it, in percent.
    pub volume: Option<u16>,
    /// It calls, or calls anew.
    pub offer: Option<String>,
}

/// Not an object with a `type` and what that needs.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Malformed;

/// The highest complexity, as Opus counts.
const QUALITY_LIMIT: u64 = 10;
/// The loudest that anybody is made, in percent.
const VOLUME_LIMIT: u64 = 800;

#[derive(Deserialize)]
struct Raw {
    #[serde(rename = "type")]
    kind: String,
    #[serde(default)]
    data: Value,
    #[serde(default)]
    jsep: Option<Jsep>,
}

#[derive(Deserialize)]
struct Jsep {
    #[serde(rename = "type")]
    kind: String,
    sdp: String,
}

impl Message {
    /// Reads one.
    ///
    /// # Errors
    /// [`Malformed`].
    pub fn parse(text: &str) -> Result<Self, Malformed> {
        let raw: Raw = serde_json::from_str(text).map_err(|_| Malformed)?;
        Ok(match raw.kind.as_str() {
            "join" => Self::Join(serde_json::from_value(raw.data).map_err(|_| Malformed)?),
            "keeplive" => Self::KeepAlive,
            "configure" => Self::Configure(configure(&raw.data, raw.jsep)?),
            "candidates" => Self::Candidates,
            "leave" => Self::Leave,
            _ => Self::Other,
        })
    }
}

fn configure(data: &Value, jsep: Option<Jsep>) -> Result<Configure, Malformed> {
    let offer = match jsep {
        Some(jsep) if jsep.kind == "offer" => Some(jsep.sdp),
        Some(_) => return Err(Malformed),
        None => None,
    };
    let number = |name: &str, limit: u64| {
        let given = data.get(name)?;
        let whole = given.as_u64();
        // What is below nothing is nothing.
        whole
            .or_else(|| given.as_f64().map(|number| number.max(0.0) as u64))
            .map(|number| number.min(limit))
    };
    Ok(Configure {
        muted: data.get("muted").and_then(Value::as_bool),
        quality: number("quality", QUALITY_LIMIT).and_then(|number| number.try_into().ok()),
        volume: number("volume", VOLUME_LIMIT).and_then(|number| number.try_into().ok()),
        offer,
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_messages_of_the_android_client_are_read() {
        let join = r#"{"type":"join","from":"mx1234","data":{"app_key":"45","room":"lalala","user_id":"mx1234","token":"h.p.s","reconnect":false}}"#;
        assert_eq!(
            Message::parse(join),
            Ok(Message::Join(Join {
                room: "lalala".into(),
                token: "h.p.s".into()
            }))
        );
        assert_eq!(
            Message::parse(r#"{"type":"keeplive","from":"mx1234"}"#),
            Ok(Message::KeepAlive)
        );
        let configure = r#"{"type":"configure","from":"mx1234","connectionId":"c","data":{"muted":false,"quality":8,"volume":80},"jsep":{"type":"offer","sdp":"v=0"}}"#;
        assert_eq!(
            Message::parse(configure),
            Ok(Message::Configure(Configure {
                muted: Some(false),
                quality: Some(8),
                volume: Some(80),
                offer: Some("v=0".into())
            }))
        );
        let candidates = r#"{"type":"candidates","from":"a","target":"a","connectionId":"c","data":{"candidates":[{"sdpMLineIndex":0,"sdpMid":"audio","candidate":"candidate:"}]}}"#;
        assert_eq!(Message::parse(candidates), Ok(Message::Candidates));
        assert_eq!(
            Message::parse(r#"{"type":"reoffer","from":"a"}"#),
            Ok(Message::Other)
        );
    }

    #[test]
    fn numbers_are_kept_within_what_there_is() {
        let text = r#"{"type":"configure","data":{"quality":99,"volume":-5}}"#;
        let wanted = Configure {
            quality: Some(10),
            volume: Some(0),
            ..Configure::default()
        };
        assert_eq!(Message::parse(text), Ok(Message::Configure(wanted)));
        let text = r#"{"type":"configure","data":{"quality":"8","volume":1e300}}"#;
        let wanted = Configure {
            volume: Some(800),
            ..Configure::default()
        };
        assert_eq!(Message::parse(text), Ok(Message::Configure(wanted)));
    }

    #[test]
    fn what_has_no_type_or_the_wrong_half_of_a_call_is_malformed() {
        for text in [
            "",
            "null",
            "[]",
            "{}",
            r#"{"type":7}"#,
            r#"{"type":"join","data":7}"#,
            r#"{"type":"configure","jsep":{"type":"answer","sdp":""}}"#,
            r#"{"type":"configure","jsep":{"type":"offer"}}"#,
        ] {
            assert_eq!(Message::parse(text), Err(Malformed), "{text}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_read_without_harm(text in "\\PC{0,64}") {
            drop(Message::parse(&text));
        }
    }
}

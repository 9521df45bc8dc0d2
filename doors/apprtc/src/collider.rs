//! What goes over Collider's WebSocket, both ways.

use serde::Deserialize;
use serde_json::json;

/// What a client asks for.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Command {
    /// Says who it is.
    Register {
        /// Its room.
        room: String,
        /// Its own id.
        client: String,
    },
    /// Has something for the other one.
    Send(String),
}

/// What a client is told that it did wrong, in Collider's words.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Fault {
    /// It registered already, on this connection.
    RegisteredAlready,
    /// No `clientid` or no `roomid`.
    Nameless,
    /// There is no seat.
    Full,
    /// Somebody with this id is connected.
    Duplicate,
    /// Something before `register`.
    Stranger,
    /// No `msg`.
    Empty,
    /// Not JSON.
    Unreadable(String),
    /// No such command; the connection stays.
    Unexpected,
}

impl Fault {
    /// The words.
    #[must_use]
    pub fn text(&self) -> String {
        match self {
            Self::RegisteredAlready => "Duplicated register request".into(),
            Self::Nameless => "Invalid register request: missing 'clientid' or 'roomid'".into(),
            Self::Full => "Max room capacity reached".into(),
            Self::Duplicate => "Duplicated registration".into(),
            Self::Stranger => "Client not registered".into(),
            Self::Empty => "Invalid send request: missing 'msg'".into(),
            Self::Unreadable(why) => format!("websocket.JSON.Receive error: {why}"),
            Self::Unexpected => "Invalid message: unexpected 'cmd'".into(),
        }
    }

    /// Whether the connection ends with it.
    #[must_use]
    pub const fn ends(&self) -> bool {
        !matches!(self, Self::Unexpected)
    }
}

/// A text for a client: a message, or a fault.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Told {
    /// Of the other one.
    Message(String),
    /// Of ours.
    Fault(Fault),
}

impl Told {
    /// As it goes over the wire: both fields always, `<`, `>` and `&` escaped, one line.
    #[must_use]
    pub fn to_text(&self) -> String {
        let value = match self {
            Self::Message(message) => json!({"msg": message, "error": ""}),
            Self::Fault(fault) => json!({"msg": "", "error": fault.text()}),
        };
        let mut text = value.to_string();
        for (sign, escape) in [
            ('<', "\\u003c"),
            ('>', "\\u003e"),
            ('&', "\\u0026"),
            ('\u{2028}', "\\u2028"),
            ('\u{2029}', "\\u2029"),
        ] {
            text = text.replace(sign, escape);
        }
        text.push('\n');
        text
    }
}

#[derive(Deserialize)]
struct Raw {
    #[serde(default)]
    cmd: String,
    #[serde(default)]
    roomid: String,
    #[serde(default)]
    clientid: String,
    #[serde(default)]
    msg: String,
}

impl Command {
    /// Reads one; `registered`: whether this connection has said who it is.
    ///
    /// # Errors
    /// The fault to tell.
    pub fn parse(text: &str, registered: bool) -> Result<Self, Fault> {
        let raw: Raw = serde_json::from_str(text).map_err(|error| {
            let word = match error.classify() {
                serde_json::error::Category::Eof | serde_json::error::Category::Io => "unexpected EOF",
                serde_json::error::Category::Syntax => "invalid character",
                serde_json::error::Category::Data => "cannot unmarshal",
            };
            Fault::Unreadable(word.into())
        })?;
        match raw.cmd.as_str() {
            "register" if registered => Err(Fault::RegisteredAlready),
            "register" if raw.roomid.is_empty() || raw.clientid.is_empty() => Err(Fault::Nameless),
            "register" => Ok(Self::Register {
                room: raw.roomid,
                client: raw.clientid,
            }),
            "send" if !registered => Err(Fault::Stranger),
            "send" if raw.msg.is_empty() => Err(Fault::Empty),
            "send" => Ok(Self::Send(raw.msg)),
            _ => Err(Fault::Unexpected),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn commands_are_read_as_every_client_writes_them() {
        let register = Command::Register {
            room: "testroom1".into(),
            client: "82528880".into(),
        };
        for text in [
            r#"{"cmd":"register","roomid":"testroom1","clientid":"82528880"}"#,
            "{\n  \"cmd\" : \"register\",\n  \"roomid\" : \"testroom1\",\n  \"clientid\" : \"82528880\"\n}",
        ] {
            assert_eq!(Command::parse(text, false), Ok(register.clone()));
        }
        assert_eq!(
            Command::parse(r#"{"cmd":"send","msg":"{\"type\":\"bye\"}"}"#, true),
            Ok(Command::Send(r#"{"type":"bye"}"#.into()))
        );
    }

    #[test]
    fn each_fault_has_the_words_of_the_original_and_all_but_one_end_the_connection() {
        for (text, registered, words) in [
            (
                r#"{"cmd":"register","roomid":"r","clientid":"c"}"#,
                true,
                "Duplicated register request",
            ),
            (
                r#"{"cmd":"register","roomid":"r"}"#,
                false,
                "Invalid register request: missing 'clientid' or 'roomid'",
            ),
            (r#"{"cmd":"send","msg":"x"}"#, false, "Client not registered"),
            (r#"{"cmd":"send"}"#, true, "Invalid send request: missing 'msg'"),
            ("{", true, "websocket.JSON.Receive error: unexpected EOF"),
            (r#"{"cmd":"dance"}"#, true, "Invalid message: unexpected 'cmd'"),
        ] {
            let fault = Command::parse(text, registered).unwrap_err();
            assert_eq!(fault.text(), words, "{text}");
            assert_eq!(fault.ends(), fault != Fault::Unexpected);
        }
        assert_eq!(Fault::Full.text(), "Max room capacity reached");
        assert_eq!(Fault::Duplicate.text(), "Duplicated registration");
    }

    #[test]
    fn what_a_client_is_told_has_both_fields_and_ends_a_line() {
        let told = Told::Message("a<b>&\"".into()).to_text();
        assert_eq!(told, "{\"msg\":\"a\\u003cb\\u003e\\u0026\\\"\",\"error\":\"\"}\n");
        assert_eq!(
            Told::Fault(Fault::Stranger).to_text(),
            "{\"msg\":\"\",\"error\":\"Client not registered\"}\n"
        );
    }

    proptest! {
        #[test]
        fn any_text_is_read_without_harm(text in "\\PC{0,64}", registered: bool) {
            drop(Command::parse(&text, registered));
        }

        #[test]
        fn what_is_told_reads_back(message in "\\PC*") {
            let value: serde_json::Value = serde_json::from_str(&Told::Message(message.clone()).to_text()).unwrap();
            prop_assert_eq!(value["msg"].as_str(), Some(message.as_str()));
        }
    }
}

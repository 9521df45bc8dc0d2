//! What two peers say to set up a call, in one neutral form, and in each form in which clients write it.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

/// One thing that a client says to the other side of a call.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Part {
    /// A session description.
    Description(Description),
    /// A way to reach the one who says it.
    Candidate(Candidate),
    /// These ways are gone.
    Removed(Vec<Candidate>),
    /// Hangs up.
    Bye,
    /// Anything else, as JSON.
    Other(Value),
}

/// A session description: `RTCSessionDescriptionInit`.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Description {
    /// Which half.
    #[serde(rename = "type")]
    pub kind: DescriptionKind,
    /// The text; nobody here reads it.
    #[serde(default)]
    pub sdp: String,
}

/// Which half of an offer and answer exchange.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum DescriptionKind {
    /// The first half.
    Offer,
    /// A part of the second half.
    Pranswer,
    /// The second half.
    Answer,
    /// Takes an offer back.
    Rollback,
}

/// An ICE candidate: `RTCIceCandidateInit`.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Candidate {
    /// The candidate attribute.
    pub candidate: String,
    /// The mid of its m= section.
    pub mid: Option<String>,
    /// Which m= section it is, from 0.
    pub line: Option<u16>,
}

/// How a client writes a candidate: under which names mid, line and text go.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Dialect {
    /// The codelab and AppRTC: `{"type":"candidate","label":0,"id":"0","candidate":"..."}`.
    Labelled,
    /// signaling-devices: `{"type":"candidate","id":"0","mlineindex":0,"candidate":"..."}`.
    Numbered,
    /// `RTCIceCandidate.toJSON()`: `{"candidate":"...","sdpMid":"0","sdpMLineIndex":0}`.
    Browser,
}

impl Dialect {
    /// The names of the mid and of the line.
    const fn names(self) -> (&'static str, &'static str) {
        match self {
            Self::Labelled => ("id", "label"),
            Self::Numbered => ("id", "mlineindex"),
            Self::Browser => ("sdpMid", "sdpMLineIndex"),
        }
    }

    /// The candidate in this object, if there is one.
    #[must_use]
    pub fn candidate(self, object: &Map<String, Value>) -> Option<Candidate> {
        let (mid, line) = self.names();
        Some(Candidate {
            candidate: object.get("candidate")?.as_str()?.to_owned(),
            mid: object.get(mid).and_then(text_or_number),
            line: object
                .get(line)
                .and_then(Value::as_u64)
                .and_then(|line| u16::try_from(line).ok()),
        })
    }

    /// The candidate as an object; with its `type` where the dialect has one.
    #[must_use]
    pub fn write(self, candidate: &Candidate) -> Value {
        let Candidate {
            candidate: text,
            mid,
            line,
        } = candidate;
        match self {
            // Clients of these give both to the browser as they come: neither may be missing.
            Self::Labelled => {
                json!({"type": "candidate", "label": line.unwrap_or(0), "id": mid.as_deref().unwrap_or("0"), "candidate": text})
            }
            Self::Numbered => {
                json!({"type": "candidate", "id": mid.as_deref().unwrap_or("0"), "mlineindex": line.unwrap_or(0), "candidate": text})
            }
            Self::Browser => json!({"candidate": text, "sdpMid": mid, "sdpMLineIndex": line}),
        }
    }

    /// Reads what a client of this dialect says in one message with a `type`.
    #[must_use]
    pub fn read(self, message: Value) -> Part {
        let Value::Object(object) = &message else {
            return Part::Other(message);
        };
        let part = match object.get("type").and_then(Value::as_str) {
            Some("candidate") => self.candidate(object).map(Part::Candidate),
            Some("remove-candidates") => {
                let gone = object.get("candidates").and_then(Value::as_array);
                gone.map(|gone| Part::Removed(self.candidates(gone)))
            }
            Some("bye") => Some(Part::Bye),
            Some("offer" | "pranswer" | "answer" | "rollback") => {
                Description::deserialize(&message).ok().map(Part::Description)
            }
            Some(_) | None => None,
        };
        part.unwrap_or(Part::Other(message))
    }

    fn candidates(self, list: &[Value]) -> Vec<Candidate> {
        list.iter()
            .filter_map(|one| self.candidate(one.as_object()?))
            .collect()
    }

    /// Writes a part as one message of this dialect.
    #[must_use]
    pub fn message(self, part: &Part) -> Value {
        match part {
            Part::Description(description) => json!(description),
            Part::Candidate(candidate) => self.write(candidate),
            Part::Removed(gone) => {
                let gone: Vec<_> = gone.iter().map(|candidate| self.write(candidate)).collect();
                json!({"type": "remove-candidates", "candidates": gone})
            }
            Part::Bye => json!({"type": "bye"}),
            Part::Other(value) => value.clone(),
        }
    }
}

/// The `data` of a `signal`, as web/README.md has it.
#[derive(Clone, PartialEq, Debug, Default, Deserialize)]
#[serde(default)]
pub struct SignalData {
    /// Which `RTCPeerConnection` it is about.
    pub connection: Option<String>,
    description: Option<Description>,
    candidate: Option<Map<String, Value>>,
    candidates: Vec<Map<String, Value>>,
}

impl SignalData {
    /// Reads it; `None` if this is no signal of a call.
    #[must_use]
    pub fn parse(data: &str) -> Option<Self> {
        serde_json::from_str(data).ok()
    }

    /// What it says. The end of candidates, which some clients write as an empty one, is not told on.
    #[must_use]
    pub fn into_parts(self) -> Vec<Part> {
        let description = self.description.map(Part::Description);
        let candidates = self.candidate.iter().chain(&self.candidates);
        let candidates = candidates.filter_map(|object| Dialect::Browser.candidate(object));
        let candidates = candidates.filter(|candidate| !candidate.candidate.is_empty());
        description
            .into_iter()
            .chain(candidates.map(Part::Candidate))
            .collect()
    }

    /// The `data` that says `part` about `connection`; `None` where our own clients have no word for it.
    #[must_use]
    pub fn write(part: &Part, connection: Option<&str>) -> Option<Value> {
        let mut data = match part {
            Part::Description(description) => json!({"description": description}),
            Part::Candidate(candidate) => json!({"candidates": [Dialect::Browser.write(candidate)]}),
            Part::Removed(_) | Part::Bye | Part::Other(_) => return None,
        };
        if let (Some(connection), Some(object)) = (connection, data.as_object_mut()) {
            object.insert("connection".into(), connection.into());
        }
        Some(data)
    }
}

fn text_or_number(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const ALL: [Dialect; 3] = [Dialect::Labelled, Dialect::Numbered, Dialect::Browser];

    #[test]
    fn the_forms_of_the_originals_are_read_and_written() {
        for (dialect, text) in [
            (
                Dialect::Labelled,
                r#"{"type":"candidate","label":1,"id":"video","candidate":"candidate:1 1 udp 1 192.0.2.1 9 typ host"}"#,
            ),
            (
                Dialect::Numbered,
                r#"{"type":"candidate","id":"0","mlineindex":0,"candidate":"candidate:1 1 udp 1 192.0.2.1 9 typ host"}"#,
            ),
            (
                Dialect::Labelled,
                r#"{"type":"remove-candidates","candidates":[{"type":"candidate","label":0,"id":"0","candidate":"c"}]}"#,
            ),
            (Dialect::Labelled, r#"{"type":"offer","sdp":"v=0\r\n"}"#),
            (Dialect::Labelled, r#"{"type":"bye"}"#),
            (Dialect::Labelled, r#"{"type":"something","else":[1,2]}"#),
            (Dialect::Labelled, r#""got user media""#),
        ] {
            let value: Value = serde_json::from_str(text).unwrap();
            let part = dialect.read(value.clone());
            assert_eq!(dialect.message(&part), value, "{part:?}");
        }
    }

    #[test]
    fn a_description_or_candidate_that_is_none_is_passed_on_as_it_is() {
        for text in [
            r#"{"type":"offer","sdp":7}"#,
            r#"{"type":"candidate","label":0}"#,
            "null",
            "[]",
        ] {
            let value: Value = serde_json::from_str(text).unwrap();
            assert_eq!(Dialect::Labelled.read(value.clone()), Part::Other(value));
        }
    }

    #[test]
    fn our_own_signal_is_one_description_and_many_candidates() {
        let text = r#"{"connection":"1-2","description":{"type":"offer","sdp":"v=0"},"candidates":[{"candidate":"a","sdpMid":"0","sdpMLineIndex":0,"usernameFragment":"u"},{"candidate":""}],"tracks":{}}"#;
        let data = SignalData::parse(text).unwrap();
        assert_eq!(data.connection.as_deref(), Some("1-2"));
        let parts = data.into_parts();
        assert_eq!(parts.len(), 2, "{parts:?}");
        let told = SignalData::write(&parts[1], Some("1-2")).unwrap();
        assert_eq!(
            told,
            json!({"connection": "1-2", "candidates": [{"candidate": "a", "sdpMid": "0", "sdpMLineIndex": 0}]})
        );
        assert!(SignalData::write(&Part::Bye, None).is_none());
        assert!(SignalData::parse("[1,2]").is_none_or(|data| data.into_parts().is_empty()));
    }

    proptest! {
        #[test]
        fn a_candidate_survives_every_dialect(text in ".*", mid in "[a-z0-9]{1,4}", line: u16) {
            let candidate = Candidate { candidate: text, mid: Some(mid), line: Some(line) };
            for dialect in ALL {
                let written = dialect.write(&candidate);
                prop_assert_eq!(dialect.candidate(written.as_object().unwrap()), Some(candidate.clone()));
            }
        }

        #[test]
        fn any_json_is_read_without_harm(text in "\\PC{0,64}") {
            drop(SignalData::parse(&text));
            if let Ok(value) = serde_json::from_str::<Value>(&text) {
                drop(Dialect::Labelled.read(value));
            }
        }
    }
}

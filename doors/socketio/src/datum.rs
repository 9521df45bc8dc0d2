//! What an event may carry: JSON, and bytes anywhere in it.

use std::fmt;

use bytes::Bytes;
use serde::{
    Deserialize, Deserializer, Serialize, Serializer,
    de::{MapAccess, SeqAccess, Visitor},
    ser::{SerializeMap, SerializeTuple},
};
use serde_json::{Map, Number, Value};

/// JSON in which any value may also be bytes.
#[derive(Clone, PartialEq, Debug)]
pub enum Datum {
    /// `null`, a boolean, a number or a text.
    Plain(Value),
    /// Bytes, which travel as an attachment.
    Bytes(Bytes),
    /// A list.
    List(Vec<Datum>),
    /// An object, in its order.
    Object(Vec<(String, Datum)>),
}

/// The arguments of an event: a tuple of any length, not a list.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Arguments(pub Vec<Datum>);

impl Datum {
    /// A text.
    #[must_use]
    pub fn text(text: impl Into<String>) -> Self {
        Self::Plain(Value::String(text.into()))
    }

    /// The text, if it is one.
    #[must_use]
    pub fn as_text(&self) -> Option<&str> {
        match self {
            Self::Plain(Value::String(text)) => Some(text),
            Self::Plain(_) | Self::Bytes(_) | Self::List(_) | Self::Object(_) => None,
        }
    }

    /// As JSON; `None` if there are bytes in it.
    #[must_use]
    pub fn to_json(&self) -> Option<Value> {
        match self {
            Self::Plain(value) => Some(value.clone()),
            Self::Bytes(_) => None,
            Self::List(list) => list
                .iter()
                .map(Self::to_json)
                .collect::<Option<_>>()
                .map(Value::Array),
            Self::Object(fields) => {
                let fields = fields
                    .iter()
                    .map(|(name, value)| Some((name.clone(), value.to_json()?)));
                fields.collect::<Option<Map<_, _>>>().map(Value::Object)
            }
        }
    }
}

impl From<Value> for Datum {
    fn from(value: Value) -> Self {
        match value {
            Value::Array(list) => Self::List(list.into_iter().map(Self::from).collect()),
            Value::Object(fields) => Self::Object(
                fields
                    .into_iter()
                    .map(|(name, value)| (name, Self::from(value)))
                    .collect(),
            ),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => Self::Plain(value),
        }
    }
}

impl Serialize for Datum {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Plain(value) => value.serialize(serializer),
            Self::Bytes(bytes) => serializer.serialize_bytes(bytes),
            Self::List(list) => list.serialize(serializer),
            Self::Object(fields) => {
                let mut map = serializer.serialize_map(Some(fields.len()))?;
                for (name, value) in fields {
                    map.serialize_entry(name, value)?;
                }
                map.end()
            }
        }
    }
}

impl Serialize for Arguments {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut tuple = serializer.serialize_tuple(self.0.len())?;
        for argument in &self.0 {
            tuple.serialize_element(argument)?;
        }
        tuple.end()
    }
}

impl<'de> Deserialize<'de> for Datum {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(DatumVisitor)
    }
}

impl<'de> Deserialize<'de> for Arguments {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct All;
        impl<'de> Visitor<'de> for All {
            type Value = Arguments;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("the arguments of an event")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Arguments, A::Error> {
                let mut all = Vec::new();
                while let Some(argument) = list.next_element()? {
                    all.push(argument);
                }
                Ok(Arguments(all))
            }
        }
        // A tuple is what tells the reader that all arguments are wanted; its length is not looked at.
        deserializer.deserialize_tuple(usize::MAX, All)
    }
}

struct DatumVisitor;

impl<'de> Visitor<'de> for DatumVisitor {
    type Value = Datum;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON or bytes")
    }

    fn visit_bool<E>(self, value: bool) -> Result<Datum, E> {
        Ok(Datum::Plain(value.into()))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Datum, E> {
        Ok(Datum::Plain(value.into()))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Datum, E> {
        Ok(Datum::Plain(value.into()))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Datum, E> {
        Ok(Datum::Plain(
            Number::from_f64(value).map_or(Value::Null, Value::Number),
        ))
    }

    fn visit_str<E>(self, value: &str) -> Result<Datum, E> {
        Ok(Datum::text(value))
    }

    fn visit_string<E>(self, value: String) -> Result<Datum, E> {
        Ok(Datum::text(value))
    }

    fn visit_bytes<E>(self, value: &[u8]) -> Result<Datum, E> {
        Ok(Datum::Bytes(Bytes::copy_from_slice(value)))
    }

    fn visit_byte_buf<E>(self, value: Vec<u8>) -> Result<Datum, E> {
        Ok(Datum::Bytes(value.into()))
    }

    fn visit_unit<E>(self) -> Result<Datum, E> {
        Ok(Datum::Plain(Value::Null))
    }

    fn visit_none<E>(self) -> Result<Datum, E> {
        Ok(Datum::Plain(Value::Null))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Datum, A::Error> {
        let mut all = Vec::new();
        while let Some(value) = list.next_element()? {
            all.push(value);
        }
        Ok(Datum::List(all))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Datum, A::Error> {
        let mut all = Vec::new();
        while let Some(entry) = map.next_entry()? {
            all.push(entry);
        }
        Ok(Datum::Object(all))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    #[test]
    fn arguments_are_a_tuple_and_json_survives() {
        let text = r#"[null,true,-1,1.5,"é😀",{"b":[1,{}],"a":2}]"#;
        let arguments: Arguments = serde_json::from_str(text).unwrap();
        assert_eq!(arguments.0.len(), 6);
        assert_eq!(serde_json::to_string(&arguments).unwrap(), text);
    }

    #[test]
    fn what_has_bytes_in_it_is_no_json() {
        let bytes = Datum::Bytes(Bytes::from_static(b"x"));
        assert_eq!(Datum::List(vec![Datum::text("a"), bytes.clone()]).to_json(), None);
        assert_eq!(Datum::Object(vec![("a".into(), bytes)]).to_json(), None);
        assert_eq!(Datum::from(json!([1])).to_json(), Some(json!([1])));
    }

    proptest! {
        #[test]
        fn any_text_is_read_without_harm(text in "\\PC{0,64}") {
            if let Ok(arguments) = serde_json::from_str::<Arguments>(&text) {
                drop(serde_json::to_string(&arguments).unwrap());
            }
        }
    }
}

//! Payloads of Engine.IO 3 as clients read them: the crate leaves out the type of binary packets.

use std::borrow::Cow;

/// The payload with the type of each binary packet: `b4` and base64, where the crate writes `b` and base64. Lengths count
/// UTF-16. What is no payload of texts stays as it is.
#[must_use]
pub fn with_types(payload: &str) -> Cow<'_, str> {
    if !payload.contains(":b") {
        return Cow::Borrowed(payload);
    }
    let mut out = String::with_capacity(payload.len() + 16);
    let mut rest = payload;
    while !rest.is_empty() {
        let Some((packet, after)) = first(rest) else {
            return Cow::Borrowed(payload);
        };
        match packet.strip_prefix('b') {
            // All of base64 is ASCII.
            Some(base64) => out.push_str(&format!("{}:b4{base64}", base64.len() + 2)),
            None => out.push_str(rest.get(..rest.len() - after.len()).unwrap_or_default()),
        }
        rest = after;
    }
    Cow::Owned(out)
}

/// The first packet of a payload, and what follows it.
fn first(payload: &str) -> Option<(&str, &str)> {
    let (length, rest) = payload.split_once(':')?;
    let mut left: usize = length.parse().ok()?;
    let mut bytes = 0;
    for sign in rest.chars() {
        if left == 0 {
            break;
        }
        left = left.checked_sub(sign.len_utf16())?;
        bytes += sign.len_utf8();
    }
    (left == 0).then(|| rest.split_at(bytes))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_binary_packet_gets_its_type_and_the_others_stay() {
        let given = "11:42[\"é😀:b\"]5:bCQ==2:40";
        assert_eq!(with_types(given), "11:42[\"é😀:b\"]6:b4CQ==2:40");
        for plain in ["", "2:40", "11:42[\"é😀:b\"]", "9:bCQ==", "x:bCQ==", ":b"] {
            assert_eq!(with_types(plain), plain);
        }
    }

    proptest! {
        #[test]
        fn any_text_is_read_without_harm(text in "([0-9:b]|é|😀|x){0,24}") {
            drop(with_types(&text));
        }

        #[test]
        fn texts_stay_whatever_is_in_them(texts in prop::collection::vec("4[^b]\\PC{0,12}", 0..4)) {
            let payload: String = texts.iter().map(|text| format!("{}:{text}", text.encode_utf16().count())).collect();
            prop_assert_eq!(&*with_types(&payload), payload.as_str());
        }
    }
}

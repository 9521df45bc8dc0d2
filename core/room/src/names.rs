//! What a namespace, a room, an identity and a person may be called.

use std::{borrow::Cow, fmt::Write as _};

use aws_lc_rs::digest::{SHA256, digest};

use crate::Refusal;

/// The longest name of a namespace or room, in bytes.
pub const ROOM_NAME_BYTES: usize = 64;
/// The longest identity, in bytes; it also fits a TURN username (RFC 8489 section 14.3: at most 508 bytes).
pub const IDENTITY_BYTES: usize = 128;
/// The longest display name, in bytes of UTF-8.
pub const NAME_BYTES: usize = 128;

/// Accepts ASCII letters, digits, `-`, `_`, `.` and `~`, not starting with a dot: safe in a path and in a link.
///
/// # Errors
/// [`Refusal::InvalidName`] otherwise; `what` says of what it is the name.
pub fn check_room_name(what: &'static str, name: &str) -> Result<(), Refusal> {
    let good = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte);
    let fits = (1..=ROOM_NAME_BYTES).contains(&name.len());
    if fits && !name.starts_with('.') && name.bytes().all(good) {
        Ok(())
    } else {
        Err(Refusal::InvalidName { what })
    }
}

/// The room name for whatever a client of another protocol calls a room: the same text where it can be one, and otherwise
/// `~` and a part of its SHA-256, so that the same text is always the same room.
#[must_use]
pub fn room_name_for(text: &str) -> Cow<'_, str> {
    if check_room_name("room", text).is_ok() {
        return Cow::Borrowed(text);
    }
    let hash = digest(&SHA256, text.as_bytes());
    let mut name = String::from("~");
    for byte in hash.as_ref().iter().take(16) {
        // Writing to a String cannot fail.
        let _ = write!(name, "{byte:02x}");
    }
    Cow::Owned(name)
}

/// Accepts 1 to [`IDENTITY_BYTES`] bytes without spaces or characters that do not show.
///
/// # Errors
/// [`Refusal::InvalidName`] otherwise.
pub fn check_identity(identity: &str) -> Result<(), Refusal> {
    let fits = (1..=IDENTITY_BYTES).contains(&identity.len());
    if fits && !identity.chars().any(|c| c.is_whitespace() || hidden(c)) {
        Ok(())
    } else {
        Err(Refusal::InvalidName { what: "identity" })
    }
}

/// A display name without the spaces around it.
///
/// # Errors
/// [`Refusal::InvalidName`] if nothing is left, it is longer than [`NAME_BYTES`], or has characters that do not show or
/// that turn the text around them.
pub fn clean_name(name: &str) -> Result<&str, Refusal> {
    let name = name.trim();
    if (1..=NAME_BYTES).contains(&name.len()) && !name.chars().any(hidden) {
        Ok(name)
    } else {
        Err(Refusal::InvalidName { what: "display name" })
    }
}

/// Controls, line and paragraph separators, and the marks that reorder text (UAX #9) or cannot be seen.
fn hidden(c: char) -> bool {
    c.is_control()
        || matches!(c,
            '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_room_name_is_safe_in_a_path() {
        for good in [
            "lobby",
            "Lobby-2",
            "a",
            "1.2",
            "a_b~c",
            &"r".repeat(ROOM_NAME_BYTES),
        ] {
            assert_eq!(check_room_name("room", good), Ok(()), "{good}");
        }
        // FAULTS P11: traversal, percent signs, NUL.
        for wrong in [
            "",
            ".",
            "..",
            ".git",
            "a/b",
            "../x",
            "a%2fb",
            "a\0",
            "a b",
            "é",
            "a\\b",
            &"r".repeat(65),
        ] {
            assert_eq!(
                check_room_name("room", wrong),
                Err(Refusal::InvalidName { what: "room" }),
                "{wrong:?}"
            );
        }
    }

    #[test]
    fn any_text_names_a_room_and_a_good_name_names_itself() {
        assert_eq!(room_name_for("lobby"), "lobby");
        let odd = ["", "a b", "null\0", "..", "Zoë", &"r".repeat(65)];
        let mut names: Vec<_> = odd.iter().map(|text| room_name_for(text).into_owned()).collect();
        assert!(
            names.iter().all(|name| check_room_name("room", name).is_ok()),
            "{names:?}"
        );
        names.sort();
        names.dedup();
        assert_eq!(names.len(), odd.len());
    }

    #[test]
    fn an_identity_can_be_seen_and_fits() {
        for good in [
            "ann",
            "guest-8f1c",
            "ann@example.org",
            "Zoë",
            &"i".repeat(IDENTITY_BYTES),
        ] {
            assert_eq!(check_identity(good), Ok(()), "{good}");
        }
        for wrong in [
            "",
            " ",
            "a b",
            "a\n",
            "a\u{200b}b",
            &"i".repeat(IDENTITY_BYTES + 1),
        ] {
            assert_eq!(
                check_identity(wrong),
                Err(Refusal::InvalidName { what: "identity" }),
                "{wrong:?}"
            );
        }
    }

    /// FAULTS W17: what a page must escape is let through, what cannot be escaped is not.
    #[test]
    fn a_display_name_may_be_markup_but_not_invisible_or_endless() {
        for (given, kept) in [
            (" Ann ", "Ann"),
            ("<b>Ann</b>", "<b>Ann</b>"),
            ("${jndi:ldap}", "${jndi:ldap}"),
            ("אנה", "אנה"),
            ("👩‍🚀", "👩‍🚀"),
        ] {
            assert_eq!(clean_name(given), Ok(kept));
        }
        let endless = "n".repeat(10 * 1024);
        let zalgo = format!("Z{}", "\u{30d}".repeat(100));
        for wrong in [
            "",
            "  ",
            "a\0b",
            "a\nb",
            "\u{1b}[31mred",
            "\u{202e}nna",
            "a\u{2066}b",
            "\u{feff}",
            &endless,
            &zalgo,
        ] {
            assert_eq!(
                clean_name(wrong),
                Err(Refusal::InvalidName { what: "display name" }),
                "{wrong:?}"
            );
        }
    }
}

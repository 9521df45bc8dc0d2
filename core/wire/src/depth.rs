//! How deep a JSON text is nested, before anything recurses into it.

/// A message may be nested this deep.
pub const DEPTH_LIMIT: usize = 64;

/// Whether `text` opens more than [`DEPTH_LIMIT`] arrays and objects within each other.
#[must_use]
pub fn is_too_deep(text: &str) -> bool {
    // Most messages do not have as many brackets at all. Counted in bytes, that takes a few instructions for 32 of them.
    let opens = |byte: &u8| u8::from(byte | 0x20 == b'{');
    let brackets: usize = text
        .as_bytes()
        .chunks(128)
        .map(|chunk| usize::from(chunk.iter().map(opens).sum::<u8>()))
        .sum();
    brackets > DEPTH_LIMIT && deepest(text) > DEPTH_LIMIT
}

fn deepest(text: &str) -> usize {
    let (mut depth, mut deepest) = (0_usize, 0);
    let (mut in_string, mut escaped) = (false, false);
    for byte in text.bytes() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if in_string => escaped = true,
            b'"' => in_string = !in_string,
            b'[' | b'{' if !in_string => {
                depth += 1;
                deepest = deepest.max(depth);
            }
            b']' | b'}' if !in_string => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    deepest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sixty_four_levels_are_fine_and_one_more_is_not() {
        for (open, close) in [("[", "]"), ("{\"a\":", "}")] {
            let nested = |levels| format!("{}1{}", open.repeat(levels), close.repeat(levels));
            assert!(!is_too_deep(&nested(DEPTH_LIMIT)));
            assert!(is_too_deep(&nested(DEPTH_LIMIT + 1)));
        }
        assert!(is_too_deep(&"[".repeat(100_000)));
    }

    #[test]
    fn depth_is_found_wherever_it_is_in_a_long_text() {
        for before in [0, 127, 128, 129, 1000] {
            let text = format!("[\"{}\",{}", "x".repeat(before), "[".repeat(DEPTH_LIMIT));
            assert!(
                is_too_deep(&text) && !is_too_deep(&text[..text.len() - 1]),
                "{before}"
            );
        }
    }

    #[test]
    fn brackets_side_by_side_or_in_texts_are_not_depth() {
        assert!(!is_too_deep(&format!("[{}[]]", "[],".repeat(1000))));
        assert!(!is_too_deep(&format!("{{\"a\":\"\\\"{}\"}}", "[{".repeat(1000))));
    }
}

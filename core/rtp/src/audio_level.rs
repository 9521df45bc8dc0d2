//! How loud a packet is, in its header extension ([RFC 6464](https://www.rfc-editor.org/rfc/rfc6464)).

/// What an empty extension counts as, and the quietest there is.
const SILENCE: u8 = 127;

/// Whether the sender takes it for voice, and its level in -dBov: 0 is the loudest, 127 silence.
#[must_use]
pub fn read(extension: &[u8]) -> (bool, u8) {
    match extension.first() {
        Some(byte) => (byte & 0x80 != 0, byte & 0x7F),
        None => (false, SILENCE),
    }
}

/// The extension that says so; a level beyond 127 counts as 127.
#[must_use]
pub fn write(voice: bool, level: u8) -> [u8; 1] {
    [u8::from(voice) << 7 | level.min(SILENCE)]
}

/// The levels of contributing sources, in the order of the CSRCs ([RFC 6465](https://www.rfc-editor.org/rfc/rfc6465)), written
/// into `out`; at most 15.
#[must_use]
pub fn write_mixed(levels: impl Iterator<Item = u8>, out: &mut [u8; 15]) -> &[u8] {
    let mut count = 0;
    for (into, level) in out.iter_mut().zip(levels) {
        *into = level.min(SILENCE);
        count += 1;
    }
    out.get(..count).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_level_is_seven_bits_and_voice_the_first() {
        assert_eq!(read(&[0xA5, 0, 0]), (true, 0x25));
        assert_eq!(read(&[0x7F]), (false, 127));
        assert_eq!(read(&[]), (false, 127));
    }

    #[test]
    fn what_is_written_is_what_is_read() {
        for voice in [false, true] {
            for level in 0..=255 {
                assert_eq!(read(&write(voice, level)), (voice, level.min(127)));
            }
        }
    }
}

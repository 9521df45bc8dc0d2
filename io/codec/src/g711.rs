//! G.711: mu-law and A-law, a byte for a sample of 8 kHz.

const SCALE: f32 = 32_768.0;
/// What mu-law adds so that its segments are powers of two.
const BIAS: i32 = 0x84;

/// The mu-law byte for a sample with full scale at 1.
pub(crate) fn mu_law(sample: f32) -> u8 {
    let value = (sample * SCALE).clamp(-32_635.0, 32_635.0) as i32;
    let magnitude = value.abs() + BIAS;
    let segment = (magnitude.ilog2() - 7).min(7);
    let mantissa = (magnitude >> (segment + 3)) & 0x0F;
    let sign = if value < 0 { 0x80 } else { 0 };
    !(sign | (segment as u8) << 4 | mantissa as u8)
}

/// What a mu-law byte stands for.
pub(crate) fn from_mu_law(byte: u8) -> f32 {
    let byte = !byte;
    let (segment, mantissa) = (byte >> 4 & 7, i32::from(byte & 0x0F));
    let magnitude = (((mantissa << 3) + BIAS) << segment) - BIAS;
    signed(magnitude, byte & 0x80 != 0)
}

/// The A-law byte for a sample with full scale at 1.
pub(crate) fn a_law(sample: f32) -> u8 {
    let value = (sample * SCALE).clamp(-32_767.0, 32_767.0) as i32;
    let magnitude = value.abs() >> 4; // 11 bits
    let (segment, mantissa) = if magnitude < 32 {
        (magnitude >> 4, magnitude & 0x0F)
    } else {
        let segment = magnitude.ilog2() - 3;
        (segment as i32, (magnitude >> (segment - 1)) & 0x0F)
    };
    let sign = if value < 0 { 0 } else { 0x80 };
    (sign | (segment as u8) << 4 | mantissa as u8) ^ 0x55
}

/// What an A-law byte stands for.
pub(crate) fn from_a_law(byte: u8) -> f32 {
    let byte = byte ^ 0x55;
    let (segment, mantissa) = (i32::from(byte >> 4 & 7), i32::from(byte & 0x0F));
    let magnitude = if segment == 0 {
        (mantissa << 4) + 8
    } else {
        ((mantissa << 4) + 0x108) << (segment - 1)
    };
    signed(magnitude, byte & 0x80 == 0)
}

fn signed(magnitude: i32, negative: bool) -> f32 {
    let value = magnitude as f32 / SCALE;
    if negative { -value } else { value }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_byte_that_is_decoded_and_encoded_is_the_same_byte() {
        for byte in 0..=255 {
            let sample = from_a_law(byte);
            assert_eq!(a_law(sample), byte, "A-law {byte} is {sample}");
            // Mu-law has two zeros.
            if byte != 0x7F {
                let sample = from_mu_law(byte);
                assert_eq!(mu_law(sample), byte, "mu-law {byte} is {sample}");
            }
        }
    }

    #[test]
    fn silence_is_what_telephones_send() {
        assert_eq!((mu_law(0.0), a_law(0.0)), (0xFF, 0xD5));
        assert!(from_mu_law(0xFF).abs() < 1e-6 && from_a_law(0xD5).abs() < 3e-4);
    }

    #[test]
    fn a_step_is_never_coarser_than_a_thirty_second_of_the_sample() {
        for step in -1000..=1000 {
            let sample = step as f32 / 1024.0;
            let bound = (sample.abs() / 32.0).max(1.0 / 2048.0) * 1.05;
            assert!(
                (from_mu_law(mu_law(sample)) - sample).abs() < bound,
                "mu-law {sample}"
            );
            assert!(
                (from_a_law(a_law(sample)) - sample).abs() < bound,
                "A-law {sample}"
            );
        }
    }
}

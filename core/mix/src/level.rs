//! How loud samples are, as RFC 6464 counts: -dBov, 0 the loudest, 127 silence.

/// What nothing sounds like.
pub(crate) const SILENT: u8 = 127;

/// The level of some samples with full scale at 1.
pub(crate) fn of(samples: &[f32]) -> u8 {
    let power: f32 = samples.iter().map(|sample| sample * sample).sum();
    let mean = power / samples.len().max(1) as f32;
    (-10.0 * mean.max(1e-13).log10()).clamp(0.0, 127.0) as u8
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_square_at_full_scale_is_0_and_nothing_is_127() {
        assert_eq!(of(&[1.0, -1.0]), 0);
        assert_eq!(of(&[0.1, -0.1]), 20);
        assert_eq!(of(&[0.0; 10]), SILENT);
        assert_eq!(of(&[]), SILENT);
    }
}

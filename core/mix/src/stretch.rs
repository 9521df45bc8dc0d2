//! Taking a little time out of sound or putting some in, where nobody hears it: whole pitch periods, joined by a fade.

/// The fade: 5 ms.
const FADE: usize = 240;
/// Periods that are tried: 2.5 to 15 ms.
const SHORTEST: usize = 120;
/// The longest of them.
pub(crate) const LONGEST: usize = 720;
/// How alike two periods must be (1 is the same).
const ALIKE: f32 = 0.75;
/// Below this power nobody hears a joint: -50 dB.
const QUIET: f32 = 1e-5;

/// Takes one period out at the front, no longer than `most`; says how many samples went. Unless `must`, only where it is not
/// heard.
pub(crate) fn shorten(samples: &mut Vec<f32>, most: usize, must: bool) -> usize {
    let Some(period) = period(samples, most, must) else {
        return 0;
    };
    let later: Vec<f32> = samples.iter().skip(period).take(FADE).copied().collect();
    for (at, (sample, later)) in samples.iter_mut().zip(later).enumerate() {
        *sample += (later - *sample) * at as f32 / FADE as f32;
    }
    samples.drain(FADE..FADE + period);
    period
}

/// Puts one period in at the front, where it is not heard; says how many samples came.
pub(crate) fn lengthen(samples: &mut Vec<f32>) -> usize {
    let Some(period) = period(samples, LONGEST, false) else {
        return 0;
    };
    // The start, then a fade from what follows the period back to the start, then everything after the fade again.
    let mut longer: Vec<f32> = samples.iter().take(period).copied().collect();
    let joint = samples.iter().skip(period).zip(samples.iter()).take(FADE);
    longer.extend(joint.enumerate().map(|(at, (ahead, again))| {
        let share = at as f32 / FADE as f32;
        ahead + (again - ahead) * share
    }));
    longer.extend(samples.iter().skip(FADE));
    *samples = longer;
    period
}

/// The distance, no longer than `most`, at which the start is most like what follows it.
fn period(samples: &[f32], most: usize, must: bool) -> Option<usize> {
    let most = most.min(LONGEST);
    if most < SHORTEST {
        return None;
    }
    let start = samples.get(..FADE)?;
    samples.get(..LONGEST + FADE)?;
    let power = |samples: &[f32]| samples.iter().map(|sample| sample * sample).sum::<f32>();
    let own = power(start);
    let likeness = |period: usize| {
        let ahead = samples.get(period..period + FADE).unwrap_or_default();
        let both: f32 = start.iter().zip(ahead).step_by(2).map(|(a, b)| a * b).sum();
        2.0 * both / (own * power(ahead)).sqrt().max(1e-12)
    };
    if own < QUIET * FADE as f32 && power(samples) < QUIET * samples.len() as f32 {
        return Some(most.min(LONGEST / 2));
    }
    let coarse = (SHORTEST..=most).step_by(4);
    let near = coarse.max_by(|a, b| likeness(*a).total_cmp(&likeness(*b)))?;
    let fine = near.saturating_sub(3).max(SHORTEST)..=(near + 3).min(most);
    let best = fine.max_by(|a, b| likeness(*a).total_cmp(&likeness(*b)))?;
    (must || likeness(best) >= ALIKE).then_some(best)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tone(hertz: f32, count: usize) -> Vec<f32> {
        (0..count)
            .map(|at| 0.5 * (std::f32::consts::TAU * hertz * at as f32 / 48_000.0).sin())
            .collect()
    }

    fn largest_step(samples: &[f32]) -> f32 {
        samples
            .windows(2)
            .fold(0.0, |most, pair| most.max((pair[1] - pair[0]).abs()))
    }

    #[test]
    fn a_tone_loses_or_gains_whole_periods_and_stays_a_tone() {
        for hertz in [150.0, 440.0, 1000.0] {
            let whole = tone(hertz, 1920);
            let bound = largest_step(&whole) * 1.1;
            let (mut shorter, mut longer) = (whole.clone(), whole.clone());
            let gone = shorten(&mut shorter, LONGEST, false);
            let come = lengthen(&mut longer);
            assert!(gone >= SHORTEST && come >= SHORTEST, "{hertz} Hz: {gone}, {come}");
            assert_eq!((shorter.len(), longer.len()), (1920 - gone, 1920 + come));
            assert!(
                largest_step(&shorter) < bound && largest_step(&longer) < bound,
                "{hertz} Hz"
            );
        }
    }

    #[test]
    fn noise_is_left_alone_unless_it_must_be_cut() {
        let mut state = 1_u32;
        let noise = || {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            state as f32 / u32::MAX as f32 - 0.5
        };
        let mut samples: Vec<f32> = std::iter::repeat_with(noise).take(1920).collect();
        assert_eq!(shorten(&mut samples, LONGEST, false), 0);
        assert_eq!(lengthen(&mut samples), 0);
        assert!(shorten(&mut samples, LONGEST, true) > 0);
    }

    #[test]
    fn silence_is_cut_and_too_little_is_not() {
        assert_eq!(shorten(&mut vec![0.0; 1920], LONGEST, false), LONGEST / 2);
        assert_eq!(shorten(&mut vec![0.0; 900], LONGEST, true), 0);
    }
}

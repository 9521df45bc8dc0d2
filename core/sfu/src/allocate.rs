//! Who gets how much of a subscriber's bandwidth.
//!
//! In order of priority everybody first gets the least that can be shown; then, again in that order and step by step,
//! what they can use. What somebody has already may stay while it fits; a step up must fit with a margin, so that
//! pictures do not flicker between two layers.

use crate::{Layer, track::Choice};

/// How much more than is known of the path the most important picture may take.
const TRIED: u64 = 5;

/// Why it is not more.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Limit {
    /// It is all there is.
    #[default]
    Nothing,
    /// More would not be seen: the picture is shown small, or not at all.
    View,
    /// The path does not carry more.
    Bandwidth,
}

/// What one subscription gets.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Share {
    /// The layer to forward; `None` for nothing.
    pub layer: Option<Layer>,
    /// Why not more.
    pub limit: Limit,
    /// What it is expected to take.
    pub bits_per_second: u64,
}

/// What one subscription could use.
#[derive(Debug)]
pub(crate) struct Claim {
    /// The higher goes first.
    pub(crate) priority: u8,
    /// As it is shown; 0 for not at all.
    pub(crate) height: u16,
    /// From the smallest to the largest.
    pub(crate) choices: Vec<Choice>,
    /// What it has until now.
    pub(crate) current: Option<Layer>,
}

impl Claim {
    /// The first choice that is as high as it is shown, or the last.
    fn wanted(&self) -> Option<usize> {
        let enough = u32::from(self.height) * 4 / 5;
        let last = self.choices.len().checked_sub(1)?;
        if self.height == 0 {
            return None;
        }
        // A step with all its pictures is wanted, not a thinned one.
        Some(
            self.choices
                .iter()
                .position(|choice| u32::from(choice.height) >= enough && choice.layer.temporal == u8::MAX)
                .unwrap_or(last),
        )
    }

    fn held(&self) -> Option<usize> {
        let current = self.current?;
        self.choices.iter().position(|choice| choice.layer == current)
    }

    fn bits(&self, index: usize) -> u64 {
        self.choices.get(index).map_or(0, |choice| choice.bits_per_second)
    }
}

/// What all claims would take if there was bandwidth without end, with what must be free to take the steps that are missing.
pub(crate) fn demand(claims: &[Claim]) -> u64 {
    let bits = |claim: &Claim| {
        let wanted = claim.wanted()?;
        let held = claim.held().map_or(0, |held| claim.bits(held));
        let missing = claim.bits(wanted).saturating_sub(held);
        Some(claim.bits(wanted) + margin(missing))
    };
    claims.iter().filter_map(bits).sum()
}

/// What must be free beside what a step up costs, so that it need not be taken back at once.
const fn margin(cost: u64) -> u64 {
    cost / 10
}

/// Shares `budget` bits a second; the answer is in the order of the claims.
pub(crate) fn share(budget: u64, claims: &[Claim]) -> Vec<Share> {
    let mut order: Vec<usize> = (0..claims.len()).collect();
    order.sort_by_key(|index| std::cmp::Reverse(claims.get(*index).map_or(0, |claim| claim.priority)));
    let mut given: Vec<Option<usize>> = vec![None; claims.len()];
    let mut left = budget;
    // The most important picture is sent in its least form while the path is known to carry a fifth of that: what it really
    // carries is only learnt by sending, and a publisher may have no smaller form.
    if let Some(first) = order.first().copied()
        && let Some(claim) = claims.get(first).filter(|claim| claim.wanted().is_some())
        && (claim.bits(0) / TRIED..claim.bits(0)).contains(&left)
        && let Some(slot) = given.get_mut(first)
    {
        (*slot, left) = (Some(0), 0);
    }
    while let Some((index, step, cost)) = next_step(claims, &order, &given, left) {
        if let Some(slot) = given.get_mut(index) {
            *slot = Some(step);
            left -= cost;
        } else {
            break;
        }
    }
    let explained = claims.iter().zip(given);
    explained.map(|(claim, given)| explain(claim, given)).collect()
}

/// The next step up that fits: whose, to which choice, at what additional cost.
fn next_step(
    claims: &[Claim],
    order: &[usize],
    given: &[Option<usize>],
    left: u64,
) -> Option<(usize, usize, u64)> {
    let step = |index: &usize, first_only: bool| {
        let (claim, given) = (claims.get(*index)?, *given.get(*index)?);
        if first_only && given.is_some() {
            return None;
        }
        let next = given.map_or(0, |given| given + 1);
        if next > claim.wanted()? {
            return None;
        }
        let cost = claim
            .bits(next)
            .saturating_sub(given.map_or(0, |given| claim.bits(given)));
        let stays = claim.held().is_some_and(|held| next <= held);
        let free = if stays || given.is_none() {
            cost
        } else {
            cost + margin(cost)
        };
        (free <= left).then_some((*index, next, cost.min(left)))
    };
    let least = order.iter().find_map(|index| step(index, true));
    least.or_else(|| order.iter().find_map(|index| step(index, false)))
}

fn explain(claim: &Claim, given: Option<usize>) -> Share {
    let wanted = claim.wanted();
    let limit = match (given, wanted) {
        (_, None) => Limit::View,
        (None, Some(_)) => Limit::Bandwidth,
        (Some(given), Some(wanted)) if given < wanted => Limit::Bandwidth,
        (Some(given), Some(_)) if given + 1 < claim.choices.len() => Limit::View,
        (Some(_), Some(_)) => Limit::Nothing,
    };
    let choice = given.and_then(|given| claim.choices.get(given));
    Share {
        layer: choice.map(|choice| choice.layer),
        limit,
        bits_per_second: choice.map_or(0, |choice| choice.bits_per_second),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn claim(priority: u8, height: u16, current: Option<u8>) -> Claim {
        let sizes = [(180, 150_000), (360, 500_000), (720, 1_500_000)];
        let choices = (0..)
            .zip(sizes)
            .map(|(encoding, (height, bits_per_second))| Choice {
                layer: Layer {
                    encoding,
                    spatial: 0,
                    temporal: u8::MAX,
                },
                bits_per_second,
                height,
            });
        Claim {
            priority,
            height,
            choices: choices.collect(),
            current: current.map(|encoding| Layer {
                encoding,
                spatial: 0,
                temporal: u8::MAX,
            }),
        }
    }

    fn given(budget: u64, claims: &[Claim]) -> Vec<(Option<u8>, Limit)> {
        share(budget, claims)
            .into_iter()
            .map(|share| (share.layer.map(|layer| layer.encoding), share.limit))
            .collect()
    }

    #[test]
    fn everybody_is_seen_small_before_anybody_is_seen_large() {
        let claims = [claim(1, 720, None), claim(1, 720, None), claim(1, 720, None)];
        assert_eq!(
            given(900_000, &claims),
            [
                (Some(1), Limit::Bandwidth),
                (Some(0), Limit::Bandwidth),
                (Some(0), Limit::Bandwidth)
            ]
        );
    }

    #[test]
    fn who_has_priority_gets_all_they_can_use_first() {
        let claims = [claim(1, 720, None), claim(9, 720, None)];
        assert_eq!(
            given(1_900_000, &claims),
            [(Some(0), Limit::Bandwidth), (Some(2), Limit::Nothing)]
        );
        assert_eq!(
            given(200_000, &claims),
            [(None, Limit::Bandwidth), (Some(0), Limit::Bandwidth)]
        );
    }

    #[test]
    fn a_small_picture_gets_a_small_layer_and_a_hidden_one_nothing() {
        let claims = [claim(1, 180, None), claim(1, 0, None), claim(1, 400, None)];
        assert_eq!(
            given(10_000_000, &claims),
            [
                (Some(0), Limit::View),
                (None, Limit::View),
                (Some(1), Limit::View)
            ]
        );
    }

    #[test]
    fn what_fits_stays_and_what_is_new_must_fit_with_a_margin() {
        assert_eq!(
            given(510_000, &[claim(1, 720, Some(1))]),
            [(Some(1), Limit::Bandwidth)]
        );
        assert_eq!(
            given(510_000, &[claim(1, 720, Some(0))]),
            [(Some(0), Limit::Bandwidth)]
        );
        assert_eq!(
            given(550_000, &[claim(1, 720, Some(0))]),
            [(Some(1), Limit::Bandwidth)]
        );
        assert_eq!(
            given(490_000, &[claim(1, 720, Some(1))]),
            [(Some(0), Limit::Bandwidth)]
        );
    }

    #[test]
    fn the_first_picture_is_tried_while_a_fifth_of_it_fits() {
        let claims = [claim(1, 720, None), claim(2, 720, None)];
        assert_eq!(
            given(31_000, &claims),
            [(None, Limit::Bandwidth), (Some(0), Limit::Bandwidth)]
        );
        assert_eq!(
            given(29_000, &claims),
            [(None, Limit::Bandwidth), (None, Limit::Bandwidth)]
        );
    }

    #[test]
    fn the_demand_is_what_can_be_used_and_what_must_be_free_for_that() {
        assert_eq!(
            demand(&[claim(1, 180, Some(0)), claim(1, 720, Some(2)), claim(1, 0, None)]),
            1_650_000
        );
        for held in [None, Some(0), Some(1), Some(2)] {
            let claims = [claim(1, 720, held), claim(1, 360, Some(0))];
            let all = [(Some(2), Limit::Nothing), (Some(1), Limit::View)];
            assert_eq!(given(demand(&claims), &claims), all, "{held:?}");
        }
    }
}

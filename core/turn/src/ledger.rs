//! How many allocations there are, by username and in all, and what each username may carry.

use std::collections::{BTreeMap, VecDeque};

use crate::allowance::{Allowance, IdentityRates};

/// Why the ledger said no.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OverQuota {
    /// This username holds as many allocations as it may.
    Username,
    /// The server holds as many allocations as it may.
    Total,
}

/// Usernames without allocations whose allowance is remembered, so that nobody gets a fresh one by coming again. Beyond,
/// the one that has been away for longest is forgotten.
const MOST_AWAY: usize = 4096;

/// Counts allocations against two quotas, and hands out allowances. One ledger serves all shards; it is asked when an
/// allocation begins and told when it ends, never for a packet.
#[derive(Debug)]
pub struct Ledger {
    per_username: u32,
    total: u32,
    rates: IdentityRates,
    rows: BTreeMap<Box<str>, Row>,
    /// Usernames whose last allocation has ended, in that order; some have come again.
    away: VecDeque<Box<str>>,
    usernames: usize,
    sum: u32,
}

#[derive(Debug)]
struct Row {
    allocations: u32,
    allowance: Allowance,
}

impl Ledger {
    /// A ledger with these quotas, and without rates.
    #[must_use]
    pub fn new(per_username: u32, total: u32) -> Ledger {
        Ledger {
            per_username,
            total,
            rates: IdentityRates::default(),
            rows: BTreeMap::new(),
            away: VecDeque::new(),
            usernames: 0,
            sum: 0,
        }
    }

    /// The same ledger with rates for all allocations of a username together.
    #[must_use]
    pub fn with_rates(self, rates: IdentityRates) -> Ledger {
        Ledger { rates, ..self }
    }

    /// Notes one more allocation of `username`; returns what it may carry together with the others of that name.
    ///
    /// # Errors
    /// [`OverQuota`] if that would be one too many; nothing is noted then.
    pub fn take(&mut self, username: &str) -> Result<Allowance, OverQuota> {
        if self.sum >= self.total {
            return Err(OverQuota::Total);
        }
        let held = self.rows.get(username).map_or(0, |row| row.allocations);
        if held >= self.per_username {
            return Err(OverQuota::Username);
        }
        self.usernames += usize::from(held == 0);
        self.sum += 1;
        let rates = self.rates;
        let row = self.rows.entry(username.into()).or_insert_with(|| Row {
            allocations: 0,
            allowance: Allowance::new(rates),
        });
        row.allocations += 1;
        Ok(row.allowance.clone())
    }

    /// Notes that an allocation of `username` has ended.
    pub fn give_back(&mut self, username: &str) {
        let Some(row) = self.rows.get_mut(username).filter(|row| row.allocations > 0) else {
            return;
        };
        row.allocations -= 1;
        self.sum -= 1;
        if row.allocations > 0 {
            return;
        }
        self.usernames -= 1;
        if self.rates.are_limited() {
            self.away.push_back(username.into());
            self.forget_the_longest_away();
        } else {
            self.rows.remove(username);
        }
    }

    fn forget_the_longest_away(&mut self) {
        while self.away.len() > MOST_AWAY
            && let Some(oldest) = self.away.pop_front()
        {
            if self.rows.get(&oldest).is_some_and(|row| row.allocations == 0) {
                self.rows.remove(&oldest);
            }
        }
    }

    /// How many usernames hold allocations, and how many allocations there are.
    #[must_use]
    pub fn sums(&self) -> (usize, u32) {
        (self.usernames, self.sum)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn take(ledger: &mut Ledger, username: &str) -> Result<(), OverQuota> {
        ledger.take(username).map(drop)
    }

    #[test]
    fn one_username_cannot_take_what_others_need() {
        let mut ledger = Ledger::new(2, 3);
        assert_eq!(
            ["a", "a", "a", "b", "c"].map(|username| take(&mut ledger, username)),
            [
                Ok(()),
                Ok(()),
                Err(OverQuota::Username),
                Ok(()),
                Err(OverQuota::Total)
            ]
        );
        ledger.give_back("a");
        assert_eq!(take(&mut ledger, "c"), Ok(()));
        ["a", "b", "c", "c"]
            .into_iter()
            .for_each(|username| ledger.give_back(username));
        assert_eq!((ledger.sums(), ledger.rows.len()), ((0, 0), 0));
    }

    #[test]
    fn who_has_gone_is_remembered_for_a_while_and_never_without_bound() {
        let mut ledger = Ledger::new(1, 10).with_rates(IdentityRates {
            bits_per_second: Some(1),
            packets_per_second: None,
        });
        for number in 0..=MOST_AWAY * 2 {
            let username = number.to_string();
            take(&mut ledger, &username).unwrap();
            ledger.give_back(&username);
        }
        assert_eq!(
            (ledger.sums(), ledger.rows.len(), ledger.away.len()),
            ((0, 0), MOST_AWAY, MOST_AWAY)
        );
        assert!(!ledger.rows.contains_key("0") && ledger.rows.contains_key("8192"));
    }
}

//! How many allocations there are, by username and in all.

use std::collections::BTreeMap;

/// Why the ledger said no.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OverQuota {
    /// This username holds as many allocations as it may.
    Username,
    /// The server holds as many allocations as it may.
    Total,
}

/// Counts allocations against two quotas. One ledger serves all shards; it is asked when an allocation begins and told
/// when it ends, never for a packet.
#[derive(Debug)]
pub struct Ledger {
    per_username: u32,
    total: u32,
    taken: BTreeMap<Box<str>, u32>,
    sum: u32,
}

impl Ledger {
    /// A ledger with these quotas.
    #[must_use]
    pub fn new(per_username: u32, total: u32) -> Ledger {
        Ledger {
            per_username,
            total,
            taken: BTreeMap::new(),
            sum: 0,
        }
    }

    /// Notes one more allocation of `username`.
    ///
    /// # Errors
    /// [`OverQuota`] if that would be one too many; nothing is noted then.
    pub fn take(&mut self, username: &str) -> Result<(), OverQuota> {
        if self.sum >= self.total {
            return Err(OverQuota::Total);
        }
        let held = self.taken.get(username).copied().unwrap_or(0);
        if held >= self.per_username {
            return Err(OverQuota::Username);
        }
        self.taken.insert(username.into(), held + 1);
        self.sum += 1;
        Ok(())
    }

    /// Notes that an allocation of `username` has ended.
    pub fn give_back(&mut self, username: &str) {
        let Some(held) = self.taken.get_mut(username) else {
            return;
        };
        *held -= 1;
        self.sum -= 1;
        if *held == 0 {
            self.taken.remove(username);
        }
    }

    /// How many usernames hold allocations, and how many allocations there are.
    #[must_use]
    pub fn sums(&self) -> (usize, u32) {
        (self.taken.len(), self.sum)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_username_cannot_take_what_others_need() {
        let mut ledger = Ledger::new(2, 3);
        assert_eq!(
            [ledger.take("a"), ledger.take("a"), ledger.take("a")],
            [Ok(()), Ok(()), Err(OverQuota::Username)]
        );
        assert_eq!(
            [ledger.take("b"), ledger.take("c")],
            [Ok(()), Err(OverQuota::Total)]
        );
        ledger.give_back("a");
        assert_eq!(ledger.take("c"), Ok(()));
        ["a", "b", "c", "c"]
            .into_iter()
            .for_each(|username| ledger.give_back(username));
        assert_eq!(ledger.sums(), (0, 0));
    }
}

//! Randomness that can be repeated: a test that fails prints the seed and how to run it again.

/// A stream of numbers from one seed (splitmix64: even, fast, and no secret).
#[derive(Clone, Debug)]
pub struct Seed {
    first: u64,
    state: u64,
}

impl Seed {
    /// The seed in the environment variable `TREFOIL_SEED`, or `usual`.
    #[must_use]
    pub fn from_environment(usual: u64) -> Seed {
        let given = std::env::var("TREFOIL_SEED")
            .ok()
            .and_then(|text| text.parse().ok());
        Seed::new(given.unwrap_or(usual))
    }

    /// This seed.
    #[must_use]
    pub fn new(first: u64) -> Seed {
        Seed { first, state: first }
    }

    /// What a person types to run the same again; for the message of an assertion.
    #[must_use]
    pub fn again(&self) -> String {
        format!("TREFOIL_SEED={} repeats this", self.first)
    }

    /// The next number.
    pub fn next_number(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mixed = (self.state ^ (self.state >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    /// True in `percent` of all cases.
    pub fn happens(&mut self, percent: u8) -> bool {
        self.next_number() % 100 < u64::from(percent)
    }

    /// A number below `bound`, which must not be 0.
    pub fn below(&mut self, bound: u64) -> u64 {
        self.next_number() % bound.max(1)
    }
}

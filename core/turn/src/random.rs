//! Randomness from a seed: unpredictable bytes for ports and tokens, cheap ones for transaction ids.

use aws_lc_rs::hmac;

/// A stream of pseudo-random numbers that repeats with its seed.
#[derive(Debug)]
pub(crate) struct Random {
    key: hmac::Key,
    counter: u64,
    cheap: u64,
}

impl Random {
    pub(crate) fn new(seed: [u8; 32]) -> Random {
        let mut random = Random {
            key: hmac::Key::new(hmac::HMAC_SHA256, &seed),
            counter: 0,
            cheap: 0,
        };
        random.cheap = random.next_u64();
        random
    }

    /// 32 bytes that cannot be foretold without the seed.
    pub(crate) fn block(&mut self) -> [u8; 32] {
        self.counter += 1;
        let tag = hmac::sign(&self.key, &self.counter.to_be_bytes());
        let mut block = [0; 32];
        block
            .iter_mut()
            .zip(tag.as_ref())
            .for_each(|(into, byte)| *into = *byte);
        block
    }

    pub(crate) fn next_u64(&mut self) -> u64 {
        let [a, b, c, d, e, f, g, h, ..] = self.block();
        u64::from_be_bytes([a, b, c, d, e, f, g, h])
    }

    /// A number below `bound`, or 0 if that is 0.
    pub(crate) fn below(&mut self, bound: u32) -> u32 {
        let scaled = (u128::from(self.next_u64()) * u128::from(bound)) >> 64;
        u32::try_from(scaled).unwrap_or(0)
    }

    /// A transaction id for an indication: distinct, and nobody answers it.
    #[inline]
    pub(crate) fn transaction_id(&mut self) -> [u8; 12] {
        self.cheap = self
            .cheap
            .wrapping_mul(0x5851_F42D_4C95_7F2D)
            .wrapping_add(0x1405_7B7E_F767_814F);
        let mut id = [0; 12];
        let bytes = self
            .cheap
            .to_be_bytes()
            .into_iter()
            .chain(self.cheap.rotate_left(17).to_be_bytes());
        id.iter_mut().zip(bytes).for_each(|(into, byte)| *into = byte);
        id
    }
}

//! A small keyed hash for tables that are looked into once for each packet.

use std::hash::{BuildHasher, Hasher};

/// Makes hashers that share a secret key, so that a stranger cannot choose ports that collide.
#[derive(Clone, Debug)]
pub(crate) struct Keyed(pub(crate) u64, pub(crate) u64);

impl BuildHasher for Keyed {
    type Hasher = Folded;

    fn build_hasher(&self) -> Folded {
        Folded {
            state: self.0,
            key: self.1 | 1,
        }
    }
}

/// Folds each word in by a 128-bit multiplication.
pub(crate) struct Folded {
    state: u64,
    key: u64,
}

impl Hasher for Folded {
    #[inline]
    fn finish(&self) -> u64 {
        self.state
    }

    #[inline]
    fn write_u64(&mut self, word: u64) {
        let product =
            u128::from(self.state ^ word).wrapping_mul(u128::from(self.key) | 0x9E37_79B9_7F4A_7C15 << 64);
        let [low, high] = [product, product >> 64].map(|half| (half & u128::from(u64::MAX)) as u64);
        self.state = low ^ high.rotate_left(29);
    }

    fn write_u128(&mut self, word: u128) {
        self.write_u64((word & u128::from(u64::MAX)) as u64);
        self.write_u64((word >> 64) as u64);
    }

    fn write(&mut self, bytes: &[u8]) {
        bytes.iter().for_each(|byte| self.write_u64(u64::from(*byte)));
    }
}

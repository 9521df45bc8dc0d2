//! Reading bits, most significant first.

use crate::Malformed;

/// Bytes read bit by bit.
#[derive(Clone, Debug)]
pub(crate) struct Bits<'a> {
    bytes: &'a [u8],
    /// How many bits were read.
    at: usize,
}

impl<'a> Bits<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Bits<'a> {
        Bits { bytes, at: 0 }
    }

    /// The next `count` bits, at most 32.
    pub(crate) fn read(&mut self, count: u32) -> Result<u32, Malformed> {
        let mut value = 0;
        for _ in 0..count {
            value = value << 1 | u32::from(self.flag()?);
        }
        Ok(value)
    }

    /// The next `count` bits, at most 8.
    pub(crate) fn small(&mut self, count: u32) -> Result<u8, Malformed> {
        self.read(count.min(8)).map(|value| value as u8)
    }

    /// The next bit.
    pub(crate) fn flag(&mut self) -> Result<bool, Malformed> {
        let byte = self.bytes.get(self.at / 8).ok_or(Malformed::Short)?;
        let bit = byte >> (7 - self.at % 8) & 1;
        self.at += 1;
        Ok(bit == 1)
    }

    /// A value below `count` in as few bits as that takes: `ns(n)` of the AV1 specification.
    pub(crate) fn non_symmetric(&mut self, count: u32) -> Result<u32, Malformed> {
        let width = u32::BITS - count.leading_zeros();
        let short = (1 << width) - count;
        let value = self.read(width.saturating_sub(1))?;
        if value < short {
            return Ok(value);
        }
        Ok((value << 1 | self.read(1)?) - short)
    }

    /// An Exp-Golomb number: `ue(v)` of H.264.
    pub(crate) fn golomb(&mut self) -> Result<u32, Malformed> {
        let mut zeros = 0;
        while !self.flag()? {
            zeros += 1;
            if zeros > 31 {
                return Err(Malformed::Field);
            }
        }
        let rest = self.read(zeros)?;
        Ok((1 << zeros) - 1 + rest)
    }

    /// A signed Exp-Golomb number: `se(v)` of H.264.
    pub(crate) fn signed_golomb(&mut self) -> Result<i64, Malformed> {
        let value = i64::from(self.golomb()?);
        Ok(if value % 2 == 1 {
            value / 2 + 1
        } else {
            -(value / 2)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bits_are_read_from_the_most_significant_one() {
        let mut bits = Bits::new(&[0b1010_0110, 0xFF]);
        assert_eq!(bits.read(3), Ok(0b101));
        assert_eq!(bits.flag(), Ok(false));
        assert_eq!(bits.read(12), Ok(0b0110_1111_1111));
        assert_eq!(bits.flag(), Err(Malformed::Short));
    }

    #[test]
    fn non_symmetric_numbers_take_the_bits_they_need() {
        // ns(5): 00, 01, 10 are 0 to 2; 110 and 111 are 3 and 4.
        let mut bits = Bits::new(&[0b0001_1011, 0b0111_0000]);
        let values: Vec<_> = (0..5).map(|_| bits.non_symmetric(5).unwrap()).collect();
        assert_eq!(values, [0, 1, 2, 3, 4]);
        assert_eq!(Bits::new(&[]).non_symmetric(1), Ok(0));
    }

    #[test]
    fn exp_golomb_numbers_are_those_of_the_standard() {
        let mut bits = Bits::new(&[0b1010_0110, 0b0100_0010, 0b1000_0000]);
        let values: Vec<_> = (0..5).map(|_| bits.golomb().unwrap()).collect();
        assert_eq!(values, [0, 1, 2, 3, 4]);
        assert_eq!(Bits::new(&[0; 5]).golomb(), Err(Malformed::Field));
        assert_eq!(Bits::new(&[0b0101_1000]).signed_golomb(), Ok(1));
        assert_eq!(Bits::new(&[0b0110_0000]).signed_golomb(), Ok(-1));
    }
}

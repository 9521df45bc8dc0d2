//! Reading and writing big-endian fields without a bounds check at each caller.

use crate::Malformed;

/// The bytes not yet read.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Reader<'a>(pub(crate) &'a [u8]);

impl<'a> Reader<'a> {
    pub(crate) fn chunk<const N: usize>(&mut self) -> Result<[u8; N], Malformed> {
        let (chunk, rest) = self.0.split_first_chunk::<N>().ok_or(Malformed::Short)?;
        self.0 = rest;
        Ok(*chunk)
    }

    pub(crate) fn u8(&mut self) -> Result<u8, Malformed> {
        self.chunk().map(u8::from_be_bytes)
    }

    pub(crate) fn u16(&mut self) -> Result<u16, Malformed> {
        self.chunk().map(u16::from_be_bytes)
    }

    pub(crate) fn u32(&mut self) -> Result<u32, Malformed> {
        self.chunk().map(u32::from_be_bytes)
    }

    pub(crate) fn take(&mut self, length: usize) -> Result<&'a [u8], Malformed> {
        let (taken, rest) = self.0.split_at_checked(length).ok_or(Malformed::Short)?;
        self.0 = rest;
        Ok(taken)
    }
}

/// A buffer that is filled from its beginning; what does not fit makes the whole count as not written.
#[derive(Debug)]
pub(crate) struct Writer<'a> {
    buffer: &'a mut [u8],
    length: usize,
    fits: bool,
}

impl<'a> Writer<'a> {
    pub(crate) fn new(buffer: &'a mut [u8]) -> Writer<'a> {
        Writer {
            buffer,
            length: 0,
            fits: true,
        }
    }

    pub(crate) fn put(&mut self, bytes: &[u8]) {
        match self.buffer.get_mut(self.length..self.length + bytes.len()) {
            Some(room) if self.fits => {
                room.copy_from_slice(bytes);
                self.length += bytes.len();
            }
            _ => self.fits = false,
        }
    }

    pub(crate) fn u8(&mut self, value: u8) {
        self.put(&[value]);
    }

    pub(crate) fn u16(&mut self, value: u16) {
        self.put(&value.to_be_bytes());
    }

    pub(crate) fn u32(&mut self, value: u32) {
        self.put(&value.to_be_bytes());
    }

    /// Zeros up to a multiple of four bytes.
    pub(crate) fn pad(&mut self) {
        while self.fits && !self.length.is_multiple_of(4) {
            self.u8(0);
        }
    }

    /// Declares that what shall be said cannot be written.
    pub(crate) fn give_up(&mut self) {
        self.fits = false;
    }

    pub(crate) fn length(&self) -> usize {
        self.length
    }

    /// What was written so far, to set fields that were not known before.
    pub(crate) fn written(&mut self) -> &mut [u8] {
        self.buffer.get_mut(..self.length).unwrap_or_default()
    }

    /// How many bytes were written: all, or 0 if they did not fit.
    pub(crate) fn finish(self) -> usize {
        if self.fits { self.length } else { 0 }
    }
}

//! The elements of a header extension, in the one-byte and the two-byte form.

/// The profile of the one-byte form ([RFC 8285 section 4.2](https://www.rfc-editor.org/rfc/rfc8285#section-4.2)).
pub(crate) const ONE_BYTE: u16 = 0xBEDE;
/// The profile of the two-byte form; its last four bits are the application's.
pub(crate) const TWO_BYTE: u16 = 0x1000;

/// The elements of a header extension in order, as id and value. A form that is not known has none; an element that
/// runs past the end ends the walk, as RFC 8285 has it.
#[derive(Clone, Copy, Debug, Default)]
pub struct Extensions<'a> {
    two_byte: bool,
    rest: &'a [u8],
}

impl<'a> Extensions<'a> {
    pub(crate) fn new(profile: u16, elements: &'a [u8]) -> Extensions<'a> {
        let two_byte = profile & 0xFFF0 == TWO_BYTE;
        let known = two_byte || profile == ONE_BYTE;
        Extensions {
            two_byte,
            rest: if known { elements } else { &[] },
        }
    }

    /// Id and length of the element that begins at `first`, and what follows its header; `None` ends the walk.
    fn element(&self, first: u8, rest: &'a [u8]) -> Option<(u8, usize, &'a [u8])> {
        if self.two_byte {
            let (length, rest) = rest.split_first()?;
            return Some((first, usize::from(*length), rest));
        }
        match first >> 4 {
            // Padding has no length, and 15 is reserved: both end the walk.
            0 | 15 => None,
            id => Some((id, usize::from(first & 0x0F) + 1, rest)),
        }
    }
}

impl<'a> Iterator for Extensions<'a> {
    type Item = (u8, &'a [u8]);

    #[inline]
    fn next(&mut self) -> Option<(u8, &'a [u8])> {
        loop {
            let (first, rest) = self.rest.split_first()?;
            if *first == 0 {
                self.rest = rest;
                continue;
            }
            let element = self.element(*first, rest).and_then(|(id, length, rest)| {
                let (value, rest) = rest.split_at_checked(length)?;
                Some((id, value, rest))
            });
            let (id, value, rest) = element.unwrap_or_default();
            self.rest = rest;
            return element.is_some().then_some((id, value));
        }
    }
}

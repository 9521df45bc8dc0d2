//! H.264 payloads: single NAL units, STAP-A and FU-A ([RFC 6184](https://www.rfc-editor.org/rfc/rfc6184)).

use crate::{DependencyReader, Malformed, Peek, bytes::Reader, sps};

/// NAL unit types of H.264 table 7-1 and of RFC 6184 section 5.2.
const SLICE: u8 = 1;
const IDR: u8 = 5;
const SEI: u8 = 6;
const SPS: u8 = 7;
const PPS: u8 = 8;
const DELIMITER: u8 = 9;
const STAP_A: u8 = 24;
const FU_A: u8 = 28;

/// A NAL unit, or a fragment of one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unit<'a> {
    /// Its type, 1 to 23.
    pub kind: u8,
    /// Whether others refer to it: nal_ref_idc is not 0.
    pub reference: bool,
    /// Whether this is its beginning.
    pub begins: bool,
    /// What follows its header: the whole, or this fragment.
    pub body: &'a [u8],
}

/// The NAL units of one packet, in order; the first that is malformed is the last item.
#[derive(Clone, Copy, Debug)]
pub struct Units<'a> {
    aggregated: bool,
    rest: Reader<'a>,
}

/// The NAL units of `payload`.
///
/// # Errors
/// [`Malformed::Short`] if there is none, [`Malformed::Field`] for a packet type that WebRTC does not use.
pub fn units(payload: &[u8]) -> Result<Units<'_>, Malformed> {
    let first = *payload.first().ok_or(Malformed::Short)?;
    match first & 0x1F {
        STAP_A => Ok(Units {
            aggregated: true,
            rest: Reader(
                payload
                    .get(1..)
                    .filter(|rest| !rest.is_empty())
                    .ok_or(Malformed::Short)?,
            ),
        }),
        1..=23 | FU_A => Ok(Units {
            aggregated: false,
            rest: Reader(payload),
        }),
        _ => Err(Malformed::Field),
    }
}

impl<'a> Units<'a> {
    fn read(&mut self) -> Result<Unit<'a>, Malformed> {
        let mut unit = self.rest;
        if self.aggregated {
            let length = self.rest.u16()?;
            unit = Reader(self.rest.take(usize::from(length))?);
        } else {
            self.rest = Reader(&[]);
        }
        let first = unit.u8()?;
        let reference = first & 0x60 != 0;
        let (kind, begins) = match first & 0x1F {
            kind @ 1..=23 => (kind, true),
            FU_A if !self.aggregated => fragment(unit.u8()?)?,
            _ => return Err(Malformed::Field),
        };
        Ok(Unit {
            kind,
            reference,
            begins,
            body: unit.0,
        })
    }
}

/// Type of the fragmented unit, and whether it begins here.
fn fragment(header: u8) -> Result<(u8, bool), Malformed> {
    let (begins, ends, kind) = (header & 0x80 != 0, header & 0x40 != 0, header & 0x1F);
    if begins && ends || !(1..=23).contains(&kind) {
        return Err(Malformed::Field);
    }
    Ok((kind, begins))
}

impl<'a> Iterator for Units<'a> {
    type Item = Result<Unit<'a>, Malformed>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.rest.0.is_empty() {
            return None;
        }
        let unit = self.read();
        if unit.is_err() {
            self.rest = Reader(&[]);
        }
        Some(unit)
    }
}

impl Unit<'_> {
    fn is_slice(&self) -> bool {
        (SLICE..=IDR).contains(&self.kind)
    }

    /// Whether it is the first slice of a picture: first_mb_in_slice is 0, which is a single set bit.
    fn begins_picture(&self) -> bool {
        self.begins && self.is_slice() && self.body.first().is_some_and(|byte| byte & 0x80 != 0)
    }

    fn may_begin_frame(&self) -> bool {
        self.begins_picture() || self.begins && (SEI..=DELIMITER).contains(&self.kind)
    }
}

pub(crate) fn peek(
    marker: bool,
    payload: &[u8],
    dependency: &mut DependencyReader,
    descriptor: Option<&[u8]>,
) -> Result<Peek, Malformed> {
    let mut peek = Peek {
        ends_frame: marker,
        switch_point: true,
        ..Peek::default()
    };
    let (mut slices, mut references) = (false, false);
    for (index, unit) in units(payload)?.enumerate() {
        let unit = unit?;
        if index == 0 {
            peek.starts_frame = unit.may_begin_frame();
        }
        slices |= unit.is_slice();
        references |= unit.reference;
        match unit.kind {
            SPS if unit.begins => {
                dependency.parameter_sets_in_band = true;
                peek.keyframe = true;
                peek.size = sps::size(unit.body);
            }
            PPS if unit.begins => dependency.parameter_sets_in_band = true,
            // Where parameter sets are sent, a decoder cannot begin behind them.
            IDR if unit.begins_picture() && !dependency.parameter_sets_in_band => peek.keyframe = true,
            _ => {}
        }
    }
    peek.discardable = slices && !references;
    if let Some(descriptor) = descriptor {
        apply(&mut peek, dependency, descriptor)?;
    }
    Ok(peek)
}

/// Layers come from the dependency descriptor, if the sender has one.
fn apply(peek: &mut Peek, dependency: &mut DependencyReader, descriptor: &[u8]) -> Result<(), Malformed> {
    let descriptor = match dependency.read(descriptor) {
        Err(Malformed::Template) if !dependency.has_structure() => return Ok(()),
        read => read?,
    };
    peek.starts_frame = descriptor.starts_frame;
    peek.ends_frame = descriptor.ends_frame;
    peek.spatial = descriptor.spatial;
    peek.temporal = descriptor.temporal;
    peek.switch_point = descriptor.switch_point;
    peek.discardable = descriptor.discardable;
    peek.size = peek.size.or(descriptor.size.filter(|_| peek.keyframe));
    Ok(())
}

//! The size of the picture in an H.264 sequence parameter set (H.264 section 7.3.2.1.1).

use crate::{Malformed, bits::Bits};

/// More bytes than the fields up to the cropping rectangle need.
const LONGEST: usize = 256;
/// Profiles that say their chroma format.
const HIGH_PROFILES: [u32; 13] = [100, 110, 122, 244, 44, 83, 86, 118, 128, 138, 139, 134, 135];

/// Width and height in pixels; `None` if the bytes are no parameter set.
pub(crate) fn size(body: &[u8]) -> Option<(u16, u16)> {
    let mut buffer = [0; LONGEST];
    let length = without_emulation_prevention(body, &mut buffer);
    let (width, height) = read(&mut Bits::new(buffer.get(..length)?)).ok()?;
    Some((u16::try_from(width).ok()?, u16::try_from(height).ok()?))
}

/// Copies `body` without the 3 of each 0, 0, 3; how many bytes that were.
fn without_emulation_prevention(body: &[u8], into: &mut [u8]) -> usize {
    let (mut zeros, mut length) = (0, 0);
    for byte in body {
        if zeros >= 2 && *byte == 3 {
            zeros = 0;
            continue;
        }
        zeros = if *byte == 0 { zeros + 1 } else { 0 };
        let Some(room) = into.get_mut(length) else {
            break;
        };
        *room = *byte;
        length += 1;
    }
    length
}

fn read(bits: &mut Bits<'_>) -> Result<(u64, u64), Malformed> {
    let profile = bits.read(8)?;
    bits.read(16)?;
    bits.golomb()?;
    let chroma = if HIGH_PROFILES.contains(&profile) {
        high_profile(bits)?
    } else {
        1
    };
    bits.golomb()?;
    picture_order(bits)?;
    bits.golomb()?;
    bits.flag()?;
    let columns = u64::from(bits.golomb()?) + 1;
    let rows = u64::from(bits.golomb()?) + 1;
    let frames_only = bits.flag()?;
    let fields = if frames_only {
        1
    } else {
        bits.flag()?;
        2
    };
    bits.flag()?;
    let (crop_columns, crop_rows) = if bits.flag()? {
        let mut sum = || Ok(u64::from(bits.golomb()?) + u64::from(bits.golomb()?));
        (sum()?, sum()?)
    } else {
        (0, 0)
    };
    // Cropping counts chroma samples, which are wider where chroma is sampled less.
    let unit_columns = if matches!(chroma, 1 | 2) { 2 } else { 1 };
    let unit_rows = fields * if chroma == 1 { 2 } else { 1 };
    let width = (columns * 16).checked_sub(crop_columns * unit_columns);
    let height = (rows * 16 * fields).checked_sub(crop_rows * unit_rows);
    width.zip(height).ok_or(Malformed::Field)
}

/// Passes over what high profiles add; the chroma format.
fn high_profile(bits: &mut Bits<'_>) -> Result<u32, Malformed> {
    let chroma = bits.golomb()?;
    let separate_planes = chroma == 3 && bits.flag()?;
    bits.golomb()?;
    bits.golomb()?;
    bits.flag()?;
    if bits.flag()? {
        for list in 0..if chroma == 3 { 12 } else { 8 } {
            if bits.flag()? {
                scaling_list(bits, if list < 6 { 16 } else { 64 })?;
            }
        }
    }
    Ok(if separate_planes { 0 } else { chroma })
}

fn scaling_list(bits: &mut Bits<'_>, length: usize) -> Result<(), Malformed> {
    let (mut last, mut next) = (8, 8);
    for _ in 0..length {
        if next != 0 {
            next = (last + bits.signed_golomb()?).rem_euclid(256);
        }
        last = if next == 0 { last } else { next };
    }
    Ok(())
}

fn picture_order(bits: &mut Bits<'_>) -> Result<(), Malformed> {
    match bits.golomb()? {
        0 => {
            bits.golomb()?;
        }
        1 => {
            bits.flag()?;
            bits.signed_golomb()?;
            bits.signed_golomb()?;
            // The bits run out before a count that is too large does.
            for _ in 0..bits.golomb()? {
                bits.signed_golomb()?;
            }
        }
        _ => {}
    }
    Ok(())
}

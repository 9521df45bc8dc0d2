//! The dependency descriptor of the AV1 RTP payload specification, appendix A, and what must be kept to read it.

use crate::{
    Malformed,
    bits::Bits,
    structure::{Flags, Indication, SPATIAL_LAYERS, Structure, Template},
    vp9::KeyPicture,
};

/// What one dependency descriptor says of its packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Descriptor {
    /// The packet is the first of its frame.
    pub starts_frame: bool,
    /// The packet is the last of its frame.
    pub ends_frame: bool,
    /// The number of the frame; it wraps.
    pub frame_number: u16,
    /// The frame begins a key picture, or is a higher spatial layer of it.
    pub key_picture: bool,
    /// The spatial layer.
    pub spatial: u8,
    /// The temporal layer.
    pub temporal: u8,
    /// Who has the lower layers may begin this temporal layer here.
    pub switch_point: bool,
    /// No later frame refers to this one.
    pub discardable: bool,
    /// Width and height of this spatial layer, if the structure says them.
    pub size: Option<(u16, u16)>,
    /// Which decode targets the sender still produces, the first in the lowest bit; said when it changes.
    pub active_targets: Option<u32>,
}

/// What earlier packets of one encoding said that later ones are read by: the dependency structure of AV1, the last key
/// picture of VP9, whether H.264 sends its parameter sets in band.
#[derive(Clone, Debug, Default)]
pub struct DependencyReader {
    structure: Option<Structure>,
    switches: Switches,
    /// The number of the last key picture's first frame, while its other frames may come.
    key_frame: Option<u16>,
    pub(crate) key_picture: KeyPicture,
    pub(crate) parameter_sets_in_band: bool,
}

impl DependencyReader {
    /// Whether a structure was seen, without which only the first three bytes of a descriptor can be read.
    #[must_use]
    pub fn has_structure(&self) -> bool {
        self.structure.is_some()
    }

    /// Reads the descriptor of the next packet.
    ///
    /// # Errors
    /// [`Malformed::Template`] if there is no structure yet or the structure has no such template; others if the bytes
    /// are too few or say more than the bounds allow. A structure is kept only if the whole descriptor is sound.
    pub fn read(&mut self, descriptor: &[u8]) -> Result<Descriptor, Malformed> {
        let mut bits = Bits::new(descriptor);
        let (starts_frame, ends_frame) = (bits.flag()?, bits.flag()?);
        let template_id = bits.small(6)?;
        let frame_number = bits.read(16)? as u16;
        let flags = Flags::read(&mut bits, descriptor.len())?;
        let fresh = if flags.structure {
            Some(Structure::read(&mut bits)?)
        } else {
            None
        };
        let structure = fresh.as_ref().or(self.structure.as_ref());
        let structure = structure.ok_or(Malformed::Template)?;
        let active_targets = if flags.active_targets {
            Some(bits.read(structure.target_count as u32)?)
        } else {
            None
        };
        let template = structure.definition(&mut bits, template_id, flags)?;
        if fresh.is_some() {
            self.switches = Switches::default();
            if template.references.is_empty() {
                self.key_frame = Some(frame_number);
            }
        }
        let after_key = self.key_frame.map(|key| frame_number.wrapping_sub(key));
        if after_key.is_some_and(|after| (u16::from(SPATIAL_LAYERS)..0x8000).contains(&after)) {
            // Numbers wrap: the key picture must not come back with its own.
            self.key_frame = None;
        }
        let descriptor = Descriptor {
            starts_frame,
            ends_frame,
            frame_number,
            // The frames of one picture are numbered in the order of their spatial layers.
            key_picture: after_key == Some(u16::from(template.spatial)),
            spatial: template.spatial,
            temporal: template.temporal,
            switch_point: self.switches.see(structure, frame_number, &template),
            discardable: is_discardable(structure, &template),
            size: structure.size(template.spatial),
            active_targets,
        };
        if fresh.is_some() {
            self.structure = fresh;
        }
        Ok(descriptor)
    }
}

/// Whether some target has the frame, and none has another that refers to it.
fn is_discardable(structure: &Structure, template: &Template) -> bool {
    let mut all = (0..structure.target_count).map(|target| template.indications.of(target));
    let kept = |indication| matches!(indication, Indication::Switch | Indication::Required);
    !all.clone().any(kept) && all.any(|indication| indication == Indication::Discardable)
}

/// Where temporal layers can be begun. A decode target that was told to switch can be begun with the next frame of its
/// own layers, if the frames which that refers to were seen. Numbers that are missing prove nothing: those of spatial
/// layers which the sender has switched off are never sent.
#[derive(Clone, Copy, Debug, Default)]
struct Switches {
    /// The newest frame, and whether it is a switch point.
    newest: Option<(u16, bool)>,
    /// Which frames were seen: the lowest bit is the newest, the next the one before.
    seen: u64,
    /// Targets of which no frame of their own layers passed since their last switch.
    armed: u32,
}

impl Switches {
    /// Whether frame `number` is a switch point of its own temporal layer.
    fn see(&mut self, structure: &Structure, number: u16, template: &Template) -> bool {
        let own = structure.target_of((template.spatial, template.temporal));
        let says = |target| template.indications.of(target) == Indication::Switch;
        let told = template.temporal == 0 || own.is_some_and(says);
        let step = match self.newest {
            None => 1,
            Some((newest, point)) => match number.wrapping_sub(newest) {
                0 => return point,
                late @ 0x8000.. => {
                    // What followed it was judged already.
                    self.seen |= 1_u64.checked_shl(u32::from(late.wrapping_neg())).unwrap_or(0);
                    return told;
                }
                step => u32::from(step),
            },
        };
        let seen = self.seen.checked_shl(step - 1).unwrap_or(0);
        let armed = own.is_some_and(|own| self.armed >> own & 1 == 1);
        let point = told || armed && template.references.are_among(seen);
        if let Some(own) = own {
            self.armed &= !(1 << own);
        }
        for target in (0..structure.target_count).filter(|target| says(*target)) {
            self.armed |= 1 << target;
        }
        self.seen = seen << 1 | 1;
        self.newest = Some((number, point));
        point
    }
}

//! The structure of the dependency descriptor: which templates there are and what they mean.

use crate::{Malformed, bits::Bits};

/// The bound on templates: their ids have six bits.
const TEMPLATES: usize = 64;
/// The bound on decode targets: their count has five bits.
const TARGETS: usize = 32;
/// More spatial layers than any scalability mode has.
pub(crate) const SPATIAL_LAYERS: u8 = 4;
/// More temporal layers than any scalability mode has.
const TEMPORAL_LAYERS: u8 = 8;
/// More references than a frame can have.
const MOST_REFERENCES: usize = 8;

/// What a decode target is to a frame, as the two bits on the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Indication {
    /// The target does not have this frame.
    NotPresent,
    /// No later frame of the target refers to it.
    Discardable,
    /// From here on all frames of the target can be decoded.
    Switch,
    /// Later frames of the target may refer to it.
    Required,
}

/// The indications of all targets, two bits each, the first target lowest.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Indications(u64);

impl Indications {
    fn read(bits: &mut Bits<'_>, targets: usize) -> Result<Indications, Malformed> {
        let mut all = 0;
        for target in 0..targets.min(TARGETS) {
            all |= u64::from(bits.read(2)?) << (2 * target);
        }
        Ok(Indications(all))
    }

    pub(crate) fn of(self, target: usize) -> Indication {
        match self.0 >> (2 * target.min(TARGETS - 1)) & 3 {
            0 => Indication::NotPresent,
            1 => Indication::Discardable,
            2 => Indication::Switch,
            _ => Indication::Required,
        }
    }
}

/// Which earlier frames a frame refers to: the lowest bit stands for the frame before, the next for the one before that.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct References {
    near: u64,
    /// One is further back than can be told.
    far: bool,
}

impl References {
    pub(crate) fn is_empty(self) -> bool {
        self.near == 0 && !self.far
    }

    /// Whether all of them are among the frames that were `seen`, which are counted alike.
    pub(crate) fn are_among(self, seen: u64) -> bool {
        self.near & !seen == 0 && !self.far
    }

    fn add(&mut self, distance_less_one: u32) {
        match 1_u64.checked_shl(distance_less_one) {
            Some(bit) => self.near |= bit,
            None => self.far = true,
        }
    }

    /// Those of a template: a bit before each says that there is one.
    fn of_template(bits: &mut Bits<'_>) -> Result<References, Malformed> {
        let mut references = References::default();
        for _ in 0..=MOST_REFERENCES {
            if !bits.flag()? {
                return Ok(references);
            }
            references.add(bits.read(4)?);
        }
        Err(Malformed::TooMany)
    }

    /// Those of a frame that says them itself: two bits before each say how long it is.
    fn of_frame(bits: &mut Bits<'_>) -> Result<References, Malformed> {
        let mut references = References::default();
        for _ in 0..=MOST_REFERENCES {
            let nibbles = bits.read(2)?;
            if nibbles == 0 {
                return Ok(references);
            }
            references.add(bits.read(4 * nibbles)?);
        }
        Err(Malformed::TooMany)
    }
}

/// What many frames have in common.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Template {
    pub(crate) spatial: u8,
    pub(crate) temporal: u8,
    pub(crate) indications: Indications,
    pub(crate) references: References,
}

/// What templates mean, from one key picture to the next.
#[derive(Clone, Debug)]
pub(crate) struct Structure {
    id_offset: u8,
    templates: [Template; TEMPLATES],
    template_count: usize,
    pub(crate) target_count: usize,
    /// The highest spatial and temporal layer of each decode target.
    target_layers: [(u8, u8); TARGETS],
    /// How many chains, each of which has one byte in a frame with chains of its own.
    chains: u32,
    /// Width and height of each spatial layer.
    sizes: [Option<(u16, u16)>; SPATIAL_LAYERS as usize],
}

/// What follows the first three bytes of a descriptor.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Flags {
    pub(crate) structure: bool,
    pub(crate) active_targets: bool,
    indications: bool,
    references: bool,
    chains: bool,
}

impl Flags {
    /// The flags after the first three bytes, if there are more.
    pub(crate) fn read(bits: &mut Bits<'_>, length: usize) -> Result<Flags, Malformed> {
        if length <= 3 {
            return Ok(Flags::default());
        }
        Ok(Flags {
            structure: bits.flag()?,
            active_targets: bits.flag()?,
            indications: bits.flag()?,
            references: bits.flag()?,
            chains: bits.flag()?,
        })
    }
}

impl Structure {
    pub(crate) fn read(bits: &mut Bits<'_>) -> Result<Structure, Malformed> {
        let mut structure = Structure {
            id_offset: bits.small(6)?,
            templates: [Template::default(); TEMPLATES],
            template_count: 0,
            target_count: usize::from(bits.small(5)?) + 1,
            target_layers: [(0, 0); TARGETS],
            chains: 0,
            sizes: [None; SPATIAL_LAYERS as usize],
        };
        let highest_spatial = structure.read_layers(bits)?;
        let (count, targets) = (structure.template_count, structure.target_count);
        for template in structure.templates.iter_mut().take(count) {
            template.indications = Indications::read(bits, targets)?;
        }
        structure.find_target_layers();
        for template in structure.templates.iter_mut().take(count) {
            template.references = References::of_template(bits)?;
        }
        structure.read_chains(bits)?;
        if bits.flag()? {
            let layers = usize::from(highest_spatial) + 1;
            for size in structure.sizes.iter_mut().take(layers) {
                let side = |less_one: u32| (less_one + 1).min(u32::from(u16::MAX)) as u16;
                *size = Some((side(bits.read(16)?), side(bits.read(16)?)));
            }
        }
        Ok(structure)
    }

    /// The layers of each template; the highest spatial one.
    fn read_layers(&mut self, bits: &mut Bits<'_>) -> Result<u8, Malformed> {
        let (mut spatial, mut temporal) = (0, 0);
        for template in &mut self.templates {
            (template.spatial, template.temporal) = (spatial, temporal);
            self.template_count += 1;
            match bits.read(2)? {
                0 => {}
                1 => temporal += 1,
                2 => (spatial, temporal) = (spatial + 1, 0),
                _ => return Ok(spatial),
            }
            if spatial >= SPATIAL_LAYERS || temporal >= TEMPORAL_LAYERS {
                return Err(Malformed::TooMany);
            }
        }
        Err(Malformed::TooMany)
    }

    /// Passes over the chains but for their count.
    fn read_chains(&mut self, bits: &mut Bits<'_>) -> Result<(), Malformed> {
        self.chains = bits.non_symmetric(self.target_count as u32 + 1)?;
        if self.chains == 0 {
            return Ok(());
        }
        for _ in 0..self.target_count {
            bits.non_symmetric(self.chains)?;
        }
        for _ in 0..self.template_count {
            for _ in 0..self.chains {
                bits.read(4)?;
            }
        }
        Ok(())
    }

    /// The template of a frame, with what the frame says for itself.
    pub(crate) fn definition(
        &self,
        bits: &mut Bits<'_>,
        id: u8,
        flags: Flags,
    ) -> Result<Template, Malformed> {
        let index = usize::from(id.wrapping_sub(self.id_offset) & 0x3F);
        let known = self.templates.get(..self.template_count);
        let mut template = *known
            .and_then(|templates| templates.get(index))
            .ok_or(Malformed::Template)?;
        if flags.indications {
            template.indications = Indications::read(bits, self.target_count)?;
        }
        if flags.references {
            template.references = References::of_frame(bits)?;
        }
        if flags.chains {
            for _ in 0..self.chains {
                bits.read(8)?;
            }
        }
        Ok(template)
    }

    /// What a target has is what its templates have.
    fn find_target_layers(&mut self) {
        for (target, (spatial, temporal)) in self.target_layers.iter_mut().enumerate() {
            for template in self.templates.iter().take(self.template_count) {
                if template.indications.of(target) != Indication::NotPresent {
                    *spatial = template.spatial.max(*spatial);
                    *temporal = template.temporal.max(*temporal);
                }
            }
        }
    }

    /// The first decode target whose highest layers are these.
    pub(crate) fn target_of(&self, layers: (u8, u8)) -> Option<usize> {
        let mut targets = self.target_layers.iter().take(self.target_count);
        targets.position(|target| *target == layers)
    }

    pub(crate) fn size(&self, spatial: u8) -> Option<(u16, u16)> {
        self.sizes.get(usize::from(spatial)).copied().flatten()
    }
}

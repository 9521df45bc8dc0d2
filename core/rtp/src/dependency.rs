//! The dependency descriptor of the AV1 RTP payload specification, appendix A, and what must be kept to read it.

use crate::{Malformed, bits::Bits};

/// The bound on templates: their ids have six bits.
const TEMPLATES: usize = 64;
/// The bound on decode targets: their count has five bits.
const TARGETS: usize = 32;
/// More spatial layers than any scalability mode has.
const SPATIAL_LAYERS: u8 = 4;
/// More temporal layers than any scalability mode has.
const TEMPORAL_LAYERS: u8 = 8;
/// More references than a frame can have.
const MOST_REFERENCES: usize = 8;

/// What a decode target is to a frame, as the two bits on the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Indication {
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
struct Indications(u64);

impl Indications {
    fn read(bits: &mut Bits<'_>, targets: usize) -> Result<Indications, Malformed> {
        let mut all = 0;
        for target in 0..targets.min(TARGETS) {
            all |= u64::from(bits.read(2)?) << (2 * target);
        }
        Ok(Indications(all))
    }

    fn of(self, target: usize) -> Indication {
        match self.0 >> (2 * target.min(TARGETS - 1)) & 3 {
            0 => Indication::NotPresent,
            1 => Indication::Discardable,
            2 => Indication::Switch,
            _ => Indication::Required,
        }
    }
}

#[derive(Clone, Copy, Debug, Default)]
struct Template {
    spatial: u8,
    temporal: u8,
    indications: Indications,
    has_references: bool,
}

/// What templates mean, from one key picture to the next.
#[derive(Clone, Copy, Debug)]
struct Structure {
    id_offset: u8,
    templates: [Template; TEMPLATES],
    template_count: usize,
    target_count: usize,
    /// How many chains, each of which has one byte in a frame with chains of its own.
    chains: u32,
    /// Width and height of each spatial layer.
    sizes: [Option<(u16, u16)>; SPATIAL_LAYERS as usize],
}

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
    /// Width and height of this spatial layer; said with each structure.
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
    /// The number of the frame that carried the structure.
    key_frame: Option<u16>,
    pub(crate) key_picture: Option<u16>,
    pub(crate) parameter_sets_in_band: bool,
}

/// Where temporal layers can be begun: a target that was told to switch can be begun with its next frame.
#[derive(Clone, Copy, Debug, Default)]
struct Switches {
    /// The newest frame, and whether it is a switch point.
    newest: Option<(u16, bool)>,
    /// Targets of which no frame of their own was passed since their last switch.
    armed: u32,
}

impl Switches {
    /// Whether frame `number` is a switch point of its own temporal layer.
    fn see(
        &mut self,
        structure: &Structure,
        number: u16,
        layers: (u8, u8),
        indications: Indications,
    ) -> bool {
        let own = structure.target_of(layers);
        let told = layers.1 == 0 || own.is_some_and(|own| indications.of(own) == Indication::Switch);
        let step = self.newest.map(|(newest, _)| number.wrapping_sub(newest));
        match (step, self.newest) {
            (Some(0), Some((_, known))) => return known,
            // A late frame: what followed it was judged already.
            (Some(0x8000..), _) => return told,
            (Some(1), _) => {}
            // A frame between is missing, and may have been one that this refers to.
            _ => self.armed = 0,
        }
        let point = told || own.is_some_and(|own| self.armed >> own & 1 == 1);
        if let Some(own) = own {
            self.armed &= !(1 << own);
        }
        for target in 0..structure.target_count {
            if indications.of(target) == Indication::Switch {
                self.armed |= 1 << target;
            }
        }
        self.newest = Some((number, point));
        point
    }
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
        let structure = fresh.or(self.structure).ok_or(Malformed::Template)?;
        let active_targets = if flags.active_targets {
            Some(bits.read(structure.target_count as u32)?)
        } else {
            None
        };
        let template = structure.definition(&mut bits, template_id, flags)?;
        if fresh.is_some() {
            self.structure = fresh;
            if !template.has_references {
                self.key_frame = Some(frame_number);
                self.switches = Switches::default();
            }
        }
        let layers = (template.spatial, template.temporal);
        let indications = template.indications;
        let present =
            |indication| (0..structure.target_count).any(|target| indications.of(target) == indication);
        Ok(Descriptor {
            starts_frame,
            ends_frame,
            frame_number,
            key_picture: self.is_of_key_picture(frame_number, template.spatial),
            spatial: template.spatial,
            temporal: template.temporal,
            switch_point: self.switches.see(&structure, frame_number, layers, indications),
            discardable: present(Indication::Discardable)
                && !present(Indication::Switch)
                && !present(Indication::Required),
            size: fresh.and_then(|structure| structure.size(template.spatial)),
            active_targets,
        })
    }

    /// The frames of one picture are numbered in the order of their spatial layers.
    fn is_of_key_picture(&self, frame_number: u16, spatial: u8) -> bool {
        let after = self.key_frame.map(|key| frame_number.wrapping_sub(key));
        after == Some(u16::from(spatial))
    }
}

#[derive(Clone, Copy, Debug, Default)]
struct Flags {
    structure: bool,
    active_targets: bool,
    indications: bool,
    references: bool,
    chains: bool,
}

impl Flags {
    /// The flags after the first three bytes, if there are more.
    fn read(bits: &mut Bits<'_>, length: usize) -> Result<Flags, Malformed> {
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
    fn read(bits: &mut Bits<'_>) -> Result<Structure, Malformed> {
        let mut structure = Structure {
            id_offset: bits.small(6)?,
            templates: [Template::default(); TEMPLATES],
            template_count: 0,
            target_count: usize::from(bits.small(5)?) + 1,
            chains: 0,
            sizes: [None; SPATIAL_LAYERS as usize],
        };
        let highest_spatial = structure.read_layers(bits)?;
        let (count, targets) = (structure.template_count, structure.target_count);
        for template in structure.templates.iter_mut().take(count) {
            template.indications = Indications::read(bits, targets)?;
        }
        for template in structure.templates.iter_mut().take(count) {
            template.has_references = read_references(bits)?;
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
    fn definition(&self, bits: &mut Bits<'_>, id: u8, flags: Flags) -> Result<Template, Malformed> {
        let index = usize::from(id.wrapping_sub(self.id_offset) & 0x3F);
        let known = self.templates.get(..self.template_count);
        let mut template = *known
            .and_then(|templates| templates.get(index))
            .ok_or(Malformed::Template)?;
        if flags.indications {
            template.indications = Indications::read(bits, self.target_count)?;
        }
        if flags.references {
            template.has_references = read_own_references(bits)?;
        }
        if flags.chains {
            for _ in 0..self.chains {
                bits.read(8)?;
            }
        }
        Ok(template)
    }

    /// The first decode target whose highest layers are these: what a target has is what its templates have.
    fn target_of(&self, layers: (u8, u8)) -> Option<usize> {
        (0..self.target_count).find(|target| self.highest_layers(*target) == layers)
    }

    fn highest_layers(&self, target: usize) -> (u8, u8) {
        let templates = self.templates.iter().take(self.template_count);
        templates
            .filter(|template| template.indications.of(target) != Indication::NotPresent)
            .fold((0, 0), |(spatial, temporal), template| {
                (spatial.max(template.spatial), temporal.max(template.temporal))
            })
    }

    fn size(&self, spatial: u8) -> Option<(u16, u16)> {
        self.sizes.get(usize::from(spatial)).copied().flatten()
    }
}

/// Whether a template refers to earlier frames.
fn read_references(bits: &mut Bits<'_>) -> Result<bool, Malformed> {
    let mut any = false;
    for _ in 0..=MOST_REFERENCES {
        if !bits.flag()? {
            return Ok(any);
        }
        bits.read(4)?;
        any = true;
    }
    Err(Malformed::TooMany)
}

/// Whether a frame with references of its own has any.
fn read_own_references(bits: &mut Bits<'_>) -> Result<bool, Malformed> {
    let mut any = false;
    for _ in 0..=MOST_REFERENCES {
        let nibbles = bits.read(2)?;
        if nibbles == 0 {
            return Ok(any);
        }
        bits.read(4 * nibbles)?;
        any = true;
    }
    Err(Malformed::TooMany)
}

//! Writes dependency descriptors for tests, from templates in the letters of the AV1 RTP specification.

/// Bits, most significant first.
#[derive(Clone, Default)]
pub(crate) struct BitWriter {
    bits: Vec<bool>,
}

impl BitWriter {
    pub(crate) fn put(&mut self, value: u32, count: u32) -> &mut Self {
        self.bits
            .extend((0..count).rev().map(|bit| value >> bit & 1 == 1));
        self
    }

    /// A value below `count`, as `ns(n)` writes it.
    fn non_symmetric(&mut self, value: u32, count: u32) -> &mut Self {
        let width = u32::BITS - count.leading_zeros();
        let short = (1 << width) - count;
        if value < short {
            self.put(value, width - 1)
        } else {
            self.put(value + short, width)
        }
    }

    /// All bits, padded with zeros.
    pub(crate) fn bytes(&self) -> Vec<u8> {
        let byte = |bits: &[bool]| {
            let place = |(at, bit): (usize, &bool)| u8::from(*bit) << (7 - at);
            bits.iter().enumerate().map(place).sum()
        };
        self.bits.chunks(8).map(byte).collect()
    }
}

/// One template: layers, an indication for each decode target (`-` not present, `D`iscardable, `S`witch, `R`equired),
/// distances to the frames that it refers to, distances to the last frame of each chain.
pub(crate) struct Template {
    pub(crate) spatial: u32,
    pub(crate) temporal: u32,
    pub(crate) indications: &'static str,
    pub(crate) references: &'static [u32],
    pub(crate) chains: &'static [u32],
}

/// A whole structure; templates are in the order of their layers.
pub(crate) struct Structure {
    pub(crate) id_offset: u32,
    pub(crate) templates: Vec<Template>,
    /// The chain that protects each decode target.
    pub(crate) protected_by: &'static [u32],
    /// Width and height of each spatial layer.
    pub(crate) sizes: &'static [(u32, u32)],
}

/// What a template of one temporal layer in one spatial layer says, in short.
pub(crate) fn template(
    layers: (u32, u32),
    indications: &'static str,
    references: &'static [u32],
    chains: &'static [u32],
) -> Template {
    Template {
        spatial: layers.0,
        temporal: layers.1,
        indications,
        references,
        chains,
    }
}

fn put_indications(bits: &mut BitWriter, indications: &str) {
    for letter in indications.chars() {
        bits.put("-DSR".find(letter).unwrap() as u32, 2);
    }
}

impl Structure {
    fn targets(&self) -> u32 {
        self.protected_by.len() as u32
    }

    pub(crate) fn write(&self, bits: &mut BitWriter) {
        bits.put(self.id_offset, 6).put(self.targets() - 1, 5);
        for (at, template) in self.templates.iter().enumerate() {
            let step = match self.templates.get(at + 1) {
                None => 3,
                Some(next) if next.spatial > template.spatial => 2,
                Some(next) => next.temporal - template.temporal,
            };
            bits.put(step, 2);
        }
        for template in &self.templates {
            put_indications(bits, template.indications);
        }
        for template in &self.templates {
            for distance in template.references {
                bits.put(1, 1).put(distance - 1, 4);
            }
            bits.put(0, 1);
        }
        let chains = self.templates[0].chains.len() as u32;
        bits.non_symmetric(chains, self.targets() + 1);
        if chains > 0 {
            for chain in self.protected_by {
                bits.non_symmetric(*chain, chains);
            }
            for distance in self.templates.iter().flat_map(|template| template.chains) {
                bits.put(*distance, 4);
            }
        }
        bits.put(u32::from(!self.sizes.is_empty()), 1);
        for (width, height) in self.sizes {
            bits.put(width - 1, 16).put(height - 1, 16);
        }
    }

    /// The id of the template at this place.
    pub(crate) fn id(&self, at: usize) -> u32 {
        (self.id_offset + at as u32) % 64
    }

    /// The descriptor of a packet that is a whole frame.
    pub(crate) fn frame(&self, at: usize, number: u16) -> Vec<u8> {
        mandatory(0b11, self.id(at), number).bytes()
    }

    /// The same with the structure.
    pub(crate) fn key_frame(&self, at: usize, number: u16) -> Vec<u8> {
        let mut bits = mandatory(0b11, self.id(at), number);
        bits.put(0b10000, 5);
        self.write(&mut bits);
        bits.bytes()
    }
}

/// The first three bytes: whether a frame starts and ends, its template, its number.
pub(crate) fn mandatory(start_and_end: u32, template: u32, number: u16) -> BitWriter {
    let mut bits = BitWriter::default();
    bits.put(start_and_end, 2)
        .put(template, 6)
        .put(u32::from(number), 16);
    bits
}

/// One spatial layer and two temporal ones, as Chrome sends it.
pub(crate) fn l1t2() -> Structure {
    Structure {
        id_offset: 0,
        templates: vec![
            template((0, 0), "SS", &[], &[0]),
            template((0, 0), "SS", &[2], &[2]),
            template((0, 1), "-D", &[1], &[1]),
        ],
        protected_by: &[0, 0],
        sizes: &[(1280, 720)],
    }
}

/// Three spatial layers and three temporal ones, each spatial layer referring to the one below, as Chrome sends it.
pub(crate) fn l3t3() -> Structure {
    Structure {
        id_offset: 0,
        templates: vec![
            template((0, 0), "SSSRRRRRR", &[12], &[12, 11, 10]),
            template((0, 0), "SSSSSSSSS", &[], &[0, 0, 0]),
            template((0, 1), "-DS-RR-RR", &[6], &[6, 5, 4]),
            template((0, 2), "--D--R--R", &[3], &[3, 2, 1]),
            template((0, 2), "--D--R--R", &[3], &[9, 8, 7]),
            template((1, 0), "---SSSRRR", &[12, 1], &[1, 1, 1]),
            template((1, 0), "---SSSSSS", &[1], &[1, 1, 1]),
            template((1, 1), "----DS-RR", &[6, 1], &[7, 6, 5]),
            template((1, 2), "-----D--R", &[3, 1], &[4, 3, 2]),
            template((1, 2), "-----D--R", &[3, 1], &[10, 9, 8]),
            template((2, 0), "------SSS", &[12, 1], &[2, 1, 1]),
            template((2, 0), "------SSS", &[1], &[2, 1, 1]),
            template((2, 1), "-------DS", &[6, 1], &[8, 7, 6]),
            template((2, 2), "--------D", &[3, 1], &[5, 4, 3]),
            template((2, 2), "--------D", &[3, 1], &[11, 10, 9]),
        ],
        protected_by: &[0, 0, 0, 1, 1, 1, 2, 2, 2],
        sizes: &[(320, 180), (640, 360), (1280, 720)],
    }
}

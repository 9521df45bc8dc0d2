//! What one frame costs in the codec alone.

use std::io::Write;

use trefoil_codec::Builtin;
use trefoil_mix::{Channels, Codec, Codecs, Decoder, Encoder, Quality, Suppressor};

use crate::{cpu, sound};

/// Encodes and decodes ten seconds of speech in each way that the mixer may choose.
pub(crate) fn compare(out: &mut impl Write) -> anyhow::Result<()> {
    let said = sound::speech(10.0, 1);
    writeln!(out, "| codec | encode us | decode us |\n|---|---|---|")?;
    for (name, codec, quality) in [
        ("Opus, complexity 4", Codec::Opus, quality(4, 0)),
        ("Opus, complexity 4, FEC", Codec::Opus, quality(4, 10)),
        ("Opus, complexity 0", Codec::Opus, quality(0, 0)),
        ("PCMU", Codec::Pcmu, quality(4, 0)),
    ] {
        let mut encoder = Builtin.encoder(codec, Channels::Mono, quality);
        let mut packets = Vec::new();
        let start = cpu::nanoseconds()?;
        for frame in said.chunks_exact(960) {
            let mut packet = Vec::new();
            encoder.encode(frame, &mut packet);
            packets.push(packet);
        }
        let encoded = cpu::nanoseconds()?;
        let (mut decoder, mut samples) = (Builtin.decoder(codec), Vec::new());
        for packet in &packets {
            samples.clear();
            decoder.decode(packet, &mut samples)?;
        }
        let decoded = cpu::nanoseconds()?;
        let each = |nanoseconds: u64| nanoseconds as f64 / 1000.0 / packets.len() as f64;
        writeln!(
            out,
            "| {name} | {:.1} | {:.1} |",
            each(encoded - start),
            each(decoded - encoded)
        )?;
    }
    let (mut suppressor, mut voice) = (Builtin.suppressor(), said);
    let (frames, start) = (voice.len() / 960, cpu::nanoseconds()?);
    voice
        .chunks_exact_mut(960)
        .for_each(|frame| suppressor.suppress(frame));
    let each = (cpu::nanoseconds()? - start) as f64 / 1000.0 / frames as f64;
    writeln!(out, "\nNoise suppression: {each:.1} us a frame")?;
    Ok(())
}

fn quality(complexity: u8, loss_percent: u8) -> Quality {
    Quality {
        complexity,
        loss_percent,
        ..Quality::default()
    }
}

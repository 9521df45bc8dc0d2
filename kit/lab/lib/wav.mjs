//! A tone as a WAV file: PCM of 16 bits, 48 kHz, mono.

/** @param {number} hz @param {number} seconds @returns {Buffer} */
export function tone(hz, seconds) {
  const rate = 48_000, samples = Math.round(rate * seconds), file = Buffer.alloc(44 + 2 * samples);
  file.write('RIFF', 0);
  file.writeUInt32LE(36 + 2 * samples, 4);
  file.write('WAVEfmt ', 8);
  file.writeUInt32LE(16, 16);
  file.writeUInt16LE(1, 20);
  file.writeUInt16LE(1, 22);
  file.writeUInt32LE(rate, 24);
  file.writeUInt32LE(2 * rate, 28);
  file.writeUInt16LE(2, 32);
  file.writeUInt16LE(16, 34);
  file.write('data', 36);
  file.writeUInt32LE(2 * samples, 40);
  for (let n = 0; n < samples; n++) file.writeInt16LE(Math.round(8192 * Math.sin(2 * Math.PI * hz * n / rate)), 44 + 2 * n);
  return file;
}

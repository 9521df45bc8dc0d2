//! What is really seen and heard on a page: functions that a driver evaluates inside it, and waiting with a deadline.

/** The mean colour of a video as shown, how many frames came while looking, and whether it moves. */
export async function look(selector) {
  const video = document.querySelector(selector);
  if (!video?.videoWidth) return { colour: [0, 0, 0], frames: 0, motion: 0 };
  const canvas = Object.assign(document.createElement('canvas'), { width: 32, height: 24 });
  const picture = canvas.getContext('2d', { willReadFrequently: true });
  const grab = () => { picture.drawImage(video, 0, 0, 32, 24); return picture.getImageData(0, 0, 32, 24).data; };
  let frames = 0, over = false;
  const count = () => { frames++; if (!over) video.requestVideoFrameCallback(count); };
  video.requestVideoFrameCallback(count);
  const before = grab();
  await new Promise((done) => setTimeout(done, 700));
  over = true;
  const after = grab(), sum = [0, 0, 0];
  let difference = 0;
  for (let i = 0; i < after.length; i++) {
    if (i % 4 === 3) continue;
    sum[i % 4] += after[i];
    difference += Math.abs(after[i] - before[i]);
  }
  const pixels = after.length / 4;
  return { colour: sum.map((s) => Math.round(s / pixels)), frames, motion: difference / pixels / 3, size: `${video.videoWidth}x${video.videoHeight}` };
}

/** The loudest frequency of what a video or audio element plays, and how loud. */
export async function listen(selector) {
  const tracks = document.querySelector(selector)?.srcObject?.getAudioTracks() ?? [];
  if (!tracks.length) return { hz: 0, decibel: -999 };
  const context = new AudioContext({ sampleRate: 48000 });
  await context.resume();
  const analyser = context.createAnalyser();
  analyser.fftSize = 8192;
  analyser.smoothingTimeConstant = 0;
  context.createMediaStreamSource(new MediaStream(tracks)).connect(analyser);
  const loudness = new Float32Array(analyser.frequencyBinCount), best = { hz: 0, decibel: -999 };
  for (let look = 0; look < 6; look++) {
    await new Promise((done) => setTimeout(done, 200));
    analyser.getFloatFrequencyData(loudness);
    loudness.forEach((decibel, bin) => { if (bin > 4 && decibel > best.decibel) Object.assign(best, { hz: Math.round(bin * 48000 / analyser.fftSize), decibel }); });
  }
  await context.close();
  return best;
}

/** How loud each of these frequencies is in what an element plays, in decibel: the loudest that each was while listening. */
export async function spectrum([selector, frequencies]) {
  const tracks = document.querySelector(selector)?.srcObject?.getAudioTracks() ?? [];
  if (!tracks.length) return frequencies.map(() => -999);
  const context = new AudioContext({ sampleRate: 48000 });
  await context.resume();
  const analyser = context.createAnalyser();
  analyser.fftSize = 8192;
  analyser.smoothingTimeConstant = 0;
  context.createMediaStreamSource(new MediaStream(tracks)).connect(analyser);
  const loudness = new Float32Array(analyser.frequencyBinCount), best = frequencies.map(() => -999);
  // What was heard before the first whole window is not known.
  await new Promise((done) => setTimeout(done, 300));
  for (let look = 0; look < 5; look++) {
    await new Promise((done) => setTimeout(done, 200));
    analyser.getFloatFrequencyData(loudness);
    frequencies.forEach((hz, at) => { best[at] = Math.max(best[at], loudness[Math.round(hz * analyser.fftSize / 48000)]); });
  }
  await context.close();
  return best;
}

const colours = { red: [255, 0, 0], lime: [0, 255, 0], blue: [0, 0, 255], yellow: [255, 255, 0] };

/** Whether a mean colour is that of a fake camera, whose white bar and the codec pull it a little towards grey. */
export function isColour([r, g, b], name) {
  const distance = (other) => Math.hypot(r - other[0], g - other[1], b - other[2]);
  const nearest = Object.keys(colours).sort((x, y) => distance(colours[x]) - distance(colours[y]))[0];
  return nearest === name && distance(colours[name]) < 110;
}

/** Asks again and again until the answer is truthy; says what was awaited, and the last answer, if it never is. */
export async function until(what, ask, seconds = 40) {
  const deadline = Date.now() + seconds * 1000;
  let last;
  for (;;) {
    try { const answer = await ask((note) => { last = note; }); if (answer) return answer; } catch (error) { last = error; }
    if (Date.now() > deadline) throw new Error(`not within ${seconds} s: ${what}; last: ${last instanceof Error ? last.message : JSON.stringify(last)}`);
    await new Promise((done) => setTimeout(done, 100));
  }
}

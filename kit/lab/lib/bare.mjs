//! The SDK on an empty page: `open` takes a page of any browser there and gives it `window.T` to play with.
import { until } from './senses.mjs';

/** Opens an empty page of the server and loads the SDK into it. */
export async function openBare(page, url) {
  await page.goto(`${url}healthz`);
  await page.evaluate(async () => {
    const T = window.T = { sdk: await import('/sdk/trefoil.js'), events: [], data: [], files: [] };
    document.body.replaceChildren();

    T.join = async (options) => {
      const room = T.room = await T.sdk.join({ storage: null, ...options });
      for (const type of ['participantJoined', 'participantLeft', 'message', 'mutedBy', 'state', 'closed', 'refused', 'room', 'reception', 'speakers', 'tracks', 'announcement']) {
        room.on(type, (detail) => T.events.push({ type, code: detail?.code, detail: JSON.parse(JSON.stringify(detail)) }));
      }
      room.on('track', ({ participant, source, stream }) => {
        const id = `v-${participant}-${source === 'microphone' ? 'camera' : source}`;
        let video = document.getElementById(id);
        if (!video) document.body.append(video = Object.assign(document.createElement('video'), { id, autoplay: true, playsInline: true }));
        if (video.srcObject !== stream) video.srcObject = stream; // setting it again would begin anew
        video.play();
      });
      room.on('trackEnded', ({ participant, source, stream }) => { if (!stream.getTracks().length) document.getElementById(`v-${participant}-${source}`)?.remove(); });
      for (const id of ['mix', 'announced']) room.on(id, (stream) => {
        document.getElementById(id)?.remove();
        if (!stream) return;
        const video = Object.assign(document.createElement('video'), { id, autoplay: true, playsInline: true, srcObject: stream });
        document.body.append(video);
        video.play();
      });
      room.on('data', ({ from, data }) => T.data.push([from, typeof data === 'string' ? data : [...new Uint8Array(data)]]));
      room.on('file', (file) => T.files.push(file));
      return room.me.id;
    };
    /** A camera and a microphone that need no device: one colour with a moving bar, one tone. */
    T.make = (colour, hz, [width, height] = [320, 240]) => {
      const canvas = Object.assign(document.createElement('canvas'), { width, height }), picture = canvas.getContext('2d');
      let n = 0;
      setInterval(() => {
        picture.fillStyle = colour;
        picture.fillRect(0, 0, width, height);
        picture.fillStyle = 'white';
        picture.fillRect(((n += 8) % 310) * width / 320, 0, width / 32, height);
      }, 66);
      const context = new AudioContext(), tone = context.createOscillator(), out = context.createMediaStreamDestination();
      tone.frequency.value = hz;
      // As loud as a voice: tones of full scale hide each other from a codec for speech.
      tone.connect(new GainNode(context, { gain: 0.1 })).connect(out);
      tone.start();
      return { camera: canvas.captureStream(15).getVideoTracks()[0], microphone: out.stream.getAudioTracks()[0] };
    };
    T.publish = (colour, hz, size, codec) => {
      const made = T.make(colour, hz, size);
      T.camera = T.room.publish(made.camera, { source: 'camera', codec });
      T.microphone = T.room.publish(made.microphone, { source: 'microphone' });
    };
    T.frames = (id) => document.getElementById(id)?.getVideoPlaybackQuality().totalVideoFrames ?? 0;
  });
}

/** Waits until the page has heard of an event, and gives its detail. */
export const heard = (page, type, code) => until(`${type} ${code ?? ''}`, async (note) => {
  const events = await page.evaluate(() => T.events);
  note(events.map((event) => event.type));
  return events.find((event) => event.type === type && (code === undefined || event.code === code));
});

/** The video of somebody gets new frames from now on. */
export async function framesAdvance(page, participant, source = 'camera') {
  const count = () => page.evaluate((id) => T.frames(id), `v-${participant}-${source}`);
  await until(`a picture of ${participant}`, async () => (await count()) > 0);
  const before = await count();
  await until(`more frames of ${participant}`, async () => (await count()) > before + 5);
}

//! Before a room: see and hear yourself, choose devices and a name. Joining works with none of the devices.
import { join, onDevicesChanged, openCamera, openMicrophone } from '/sdk/trefoil.js';
import { h, icon } from './dom.js';
import { explain, say, t } from './words.js';
import { recall, remember } from './store.js';
import { devicePicker, fillPickers } from './settings.js';
import { PAGE } from './order.js';

const openers = { microphone: openMicrophone, camera: openCamera };

export function prejoin(room, entered) {
  const devices = new Devices();
  const video = h('video', { class: 'mirrored', muted: true, autoplay: true, playsInline: true, 'aria-hidden': 'true' });
  const name = h('input', { id: 'name', autocomplete: 'name', maxLength: 64, autofocus: true, value: recall('name') ?? '' });
  const submit = h('button', { class: 'primary', id: 'join' });
  const problem = h('p', { class: 'problem', role: 'alert', hidden: true });
  const level = h('meter', { min: 0, max: 1, low: 0.05 });
  const notes = { microphone: h('p', { class: 'note' }), camera: h('p', { class: 'note' }) };
  const pickers = Object.fromEntries(['microphone', 'camera'].map((kind) => [kind, devicePicker(kind, (deviceId) => devices.open(kind, deviceId))]));
  const toggles = Object.fromEntries(['microphone', 'camera'].map((kind) => [kind, toggle(kind, () => devices.toggle(kind))]));
  devices.onchange = (kind, error) => {
    const on = devices.tracks[kind] !== null;
    toggles[kind].setAttribute('aria-pressed', String(!on));
    notes[kind].textContent = error ? `${t(`pre.${kind}`)}: ${explain(error)}` : '';
    if (kind === 'camera') { video.srcObject = on ? new MediaStream([devices.tracks.camera]) : null; video.hidden = !on; }
    else devices.measure(level);
    fillPickers(pickers, devices.chosen);
  };
  const form = h('form', { class: 'prejoin card', on: { submit: (event) => { event.preventDefault(); enter(); } } },
    say(h('h1', { tabIndex: -1 }), 'pre.title', { room }),
    h('div', { class: 'preview' }, say(h('p'), 'pre.cameraOff'), video, h('div', { class: 'row' }, toggles.microphone, toggles.camera)),
    say(level, 'pre.level', {}, 'aria-label'),
    h('div', { class: 'fields' }, pickers.microphone.element, pickers.camera.element),
    notes.microphone, notes.camera,
    h('label', { class: 'field' }, say(h('span'), 'pre.name'), name), problem, say(submit, 'pre.join'));
  const stop = onDevicesChanged(() => fillPickers(pickers, devices.chosen));
  let handedOver = false;

  async function enter() {
    submit.disabled = true;
    say(submit, 'pre.joining');
    problem.hidden = true;
    remember('name', name.value);
    const options = new URLSearchParams(location.search);
    // A link may carry a join token after the hash, which browsers send to no server.
    const token = new URLSearchParams(location.hash.slice(1)).get('token') ?? undefined;
    try {
      const joined = await join({ room, token, name: name.value.trim() || t('guest'), relayOnly: options.has('relay'), slots: { video: PAGE + 2 } });
      remember('rooms', [room, ...(recall('rooms') ?? []).filter((r) => r !== room)].slice(0, 5));
      handedOver = true;
      entered(joined, devices);
    } catch (error) {
      problem.textContent = explain(error);
      problem.dataset.code = error.code ?? 'unknown';
      problem.hidden = false;
      submit.disabled = false;
      say(submit, 'pre.join');
    }
  }

  devices.start();
  return { element: h('main', {}, form), close: () => { stop(); if (!handedOver) devices.stop(); else devices.quiet(); } };
}

function toggle(kind, click) {
  const button = h('button', { type: 'button', class: 'round', id: `pre-${kind}`, 'aria-pressed': 'true', on: { click } }, icon(kind));
  return say(say(button, `bar.${kind}`, {}, 'aria-label'), `bar.${kind}`, {}, 'title');
}

/** The camera and microphone of before the call; the call takes them over. */
class Devices {
  tracks = { microphone: null, camera: null };
  chosen = { microphone: recall('microphone') ?? undefined, camera: recall('camera') ?? undefined };
  onchange = () => {};
  #stopped = false;
  #quiet = () => {};

  async start() {
    for (const kind of ['microphone', 'camera']) if (recall(`${kind}.off`)) this.onchange(kind); else await this.open(kind, this.chosen[kind]);
  }

  async open(kind, deviceId) {
    this.#close(kind);
    try {
      // Not `exact`: a device that was chosen once may be unplugged today.
      const track = await openers[kind](deviceId ? { deviceId } : {});
      if (this.#stopped) return track.stop();
      this.#close(kind);
      this.tracks[kind] = track;
      this.chosen[kind] = track.getSettings().deviceId;
      remember(kind, this.chosen[kind]);
      this.onchange(kind);
    } catch (error) {
      this.onchange(kind, error);
    }
  }

  async toggle(kind) {
    const off = this.tracks[kind] !== null;
    remember(`${kind}.off`, off);
    if (!off) return this.open(kind, this.chosen[kind]);
    this.#close(kind);
    this.onchange(kind);
  }

  /** Shows how loud the microphone is until told to be quiet. */
  measure(meter) {
    this.#quiet();
    meter.value = 0;
    if (!this.tracks.microphone) return;
    const context = new AudioContext(), analyser = context.createAnalyser(), samples = new Float32Array(analyser.fftSize);
    context.createMediaStreamSource(new MediaStream([this.tracks.microphone])).connect(analyser);
    const timer = setInterval(() => {
      analyser.getFloatTimeDomainData(samples);
      meter.value = Math.min(1, Math.hypot(...samples) / Math.sqrt(samples.length) * 3);
    }, 100);
    this.#quiet = () => { clearInterval(timer); context.close(); this.#quiet = () => {}; };
  }

  quiet() { this.#stopped = true; this.#quiet(); }
  stop() { this.quiet(); this.#close('microphone'); this.#close('camera'); }

  #close(kind) {
    this.tracks[kind]?.stop();
    this.tracks[kind] = null;
  }
}

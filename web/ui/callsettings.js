//! The settings panel of a call: devices, how much to receive, language, colours, keys.
import { onDevicesChanged } from '/sdk/trefoil.js';
import { h } from './dom.js';
import { explain, say, t } from './words.js';
import { recall, remember } from './store.js';
import { devicePicker, fillPickers, languagePicker, themePicker } from './settings.js';
import { buttons } from './controls.js';
import { qualities } from './wishes.js';

/** As this browser's owner has chosen, or as the room is set up. */
const hearsMix = (room) => recall('mixed') ?? room.state.topology === 'mixed';
export const listenAsWished = (room) => { if (recall('mixed') !== null && !room.state.encrypted) room.listenAs({ audio: hearsMix(room) ? 'mixed' : 'separate' }); };

export function settingsPanel(room, devices, tell, quality) {
  const published = (source) => room.publications.find((p) => p.source === source);
  const pickers = Object.fromEntries(['microphone', 'camera'].map((kind) => [kind, devicePicker(kind, async (deviceId) => {
    remember(kind, deviceId);
    try { await published(kind)?.switchDevice(deviceId); } catch (error) { tell(`${t(`pre.${kind}`)}: ${explain(error)}`); }
  })]));
  const fill = () => fillPickers(pickers, { microphone: published('microphone')?.deviceId, camera: published('camera')?.deviceId });
  const select = h('select', { id: 'quality', on: { change: () => quality.set(select.value) } },
    qualities.map((one) => say(h('option', { value: one, selected: one === quality.get() }), `settings.quality.${one}`)));
  const received = h('label', { class: 'field' }, say(h('span'), 'settings.quality'), select);
  const mixed = h('input', { type: 'checkbox', id: 'mixed', checked: hearsMix(room), on: { change: () => { remember('mixed', mixed.checked); listenAsWished(room); } } });
  const inOne = h('label', { class: 'field' }, say(h('span'), 'settings.mixed'), mixed);
  // Only a server can send less of somebody's picture than they send, or mix.
  const canChoose = () => { received.hidden = room.state.topology === 'p2p'; inOne.hidden = received.hidden || room.state.encrypted === true; };
  let stop = () => {};
  const keys = h('p', { class: 'quiet' });
  room.on('room', canChoose);
  return {
    element: h('section', { class: 'settings' }, say(h('h2'), 'bar.settings'), pickers.microphone.element, pickers.camera.element, received, inOne, languagePicker(), themePicker(), keys),
    opened() {
      fill();
      canChoose();
      say(keys, 'settings.keys', { keys: [...buttons.map(({ id, key }) => `${key.toUpperCase()} ${t(`bar.${id}`)}`), `1–9 ${t('stage.pin')}`].join(' · ') });
      stop = onDevicesChanged(fill);
    },
    closed() { stop(); },
  };
}

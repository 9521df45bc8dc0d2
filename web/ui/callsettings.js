//! The settings panel of a call: devices, how much to receive, language, colours, keys.
import { onDevicesChanged } from '/sdk/trefoil.js';
import { h } from './dom.js';
import { explain, say, t } from './words.js';
import { remember } from './store.js';
import { devicePicker, fillPickers, languagePicker, themePicker } from './settings.js';
import { buttons } from './controls.js';
import { qualities } from './wishes.js';

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
  // Only a server can send less of somebody's picture than they send.
  const canChoose = () => { received.hidden = room.state.topology !== 'sfu'; };
  let stop = () => {};
  const keys = h('p', { class: 'quiet' });
  room.on('room', canChoose);
  return {
    element: h('section', { class: 'settings' }, say(h('h2'), 'bar.settings'), pickers.microphone.element, pickers.camera.element, received, languagePicker(), themePicker(), keys),
    opened() {
      fill();
      canChoose();
      say(keys, 'settings.keys', { keys: buttons.map(({ id, key }) => `${key.toUpperCase()} ${t(`bar.${id}`)}`).join(' · ') });
      stop = onDevicesChanged(fill);
    },
    closed() { stop(); },
  };
}

//! The settings panel of a call: devices, language, colours, keys.
import { onDevicesChanged } from '/sdk/trefoil.js';
import { h } from './dom.js';
import { explain, say, t } from './words.js';
import { remember } from './store.js';
import { devicePicker, fillPickers, languagePicker, themePicker } from './settings.js';
import { buttons } from './controls.js';

export function settingsPanel(room, devices, tell) {
  const published = (source) => room.publications.find((p) => p.source === source);
  const pickers = Object.fromEntries(['microphone', 'camera'].map((kind) => [kind, devicePicker(kind, async (deviceId) => {
    remember(kind, deviceId);
    try { await published(kind)?.switchDevice(deviceId); } catch (error) { tell(`${t(`pre.${kind}`)}: ${explain(error)}`); }
  })]));
  const fill = () => fillPickers(pickers, { microphone: published('microphone')?.deviceId, camera: published('camera')?.deviceId });
  let stop = () => {};
  const keys = h('p', { class: 'quiet' });
  return {
    element: h('section', { class: 'settings' }, say(h('h2'), 'bar.settings'), pickers.microphone.element, pickers.camera.element, languagePicker(), themePicker(), keys),
    opened() {
      fill();
      say(keys, 'settings.keys', { keys: buttons.map(({ id, key }) => `${key.toUpperCase()} ${t(`bar.${id}`)}`).join(' · ') });
      stop = onDevicesChanged(fill);
    },
    closed() { stop(); },
  };
}

//! Pickers that more than one page shows: language, colours, devices.
import { listDevices } from '/sdk/trefoil.js';
import { h } from './dom.js';
import { currentLanguage, languages, say, setLanguage, t } from './words.js';
import { currentTheme, setTheme, themes } from './theme.js';

export function languagePicker() {
  const options = Object.entries(languages).map(([code, words]) => h('option', { value: code, selected: code === currentLanguage(), lang: code }, words.language));
  const select = h('select', { id: 'language', on: { change: () => setLanguage(select.value) } }, options);
  return h('label', { class: 'field' }, say(h('span'), 'settings.language'), select);
}

export function themePicker() {
  const options = themes.map((theme) => say(h('option', { value: theme, selected: theme === currentTheme() }), `settings.theme.${theme}`));
  const select = h('select', { id: 'theme', on: { change: () => setTheme(select.value) } }, options);
  return h('label', { class: 'field' }, say(h('span'), 'settings.theme'), select);
}

/** A device picker that `fill` brings up to date. */
export function devicePicker(kind, onChange) {
  const select = h('select', { id: `pick-${kind}`, on: { change: () => onChange(select.value) } });
  return { select, element: h('label', { class: 'field' }, say(h('span'), `pre.${kind}`), select) };
}

/** Puts the devices that are plugged in now into the pickers. */
export async function fillPickers({ microphone, camera }, chosen) {
  const devices = await listDevices().catch(() => ({ cameras: [], microphones: [] }));
  const fill = (select, list, deviceId) => {
    select.replaceChildren(...(list.length ? list.map((d) => h('option', { value: d.deviceId, selected: d.deviceId === deviceId }, d.label || t('pre.default')))
      : [h('option', { value: '' }, t('pre.default'))]));
    select.disabled = list.length < 2;
  };
  fill(microphone.select, devices.microphones, chosen.microphone);
  fill(camera.select, devices.cameras, chosen.camera);
}

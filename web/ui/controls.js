//! The bar at the bottom: microphone, camera, screen, panels, leave; and the keys for each of them and for tiles.
import { h, icon } from './dom.js';
import { explain, say, t } from './words.js';

/** The one table of buttons; a key works where nothing is being written. */
export const buttons = [
  { id: 'microphone', key: 'm' }, { id: 'camera', key: 'v' }, { id: 'screen', key: 's' },
  { id: 'chat', key: 'c', panel: true }, { id: 'people', key: 'p', panel: true },
  { id: 'details', key: 'i', panel: true }, { id: 'settings', key: 'g', panel: true },
];

export function controls(room, devices, { open, tell, pin }) {
  const made = new Map(buttons.map(({ id, key, panel }) => {
    const button = h('button', { class: `round ${panel ? 'panel-button' : ''}`, id: `bar-${id}`, 'aria-pressed': 'false', 'aria-keyshortcuts': key, on: { click: () => press(id) } }, icon(id));
    say(button, `bar.${id}`, {}, 'aria-label');
    say(button, `bar.${id}`, {}, 'title');
    return [id, button];
  }));
  const canPublish = () => room.me.permissions.includes('publish');
  made.get('screen').hidden = !navigator.mediaDevices?.getDisplayMedia;
  const leave = h('button', { class: 'leave', id: 'leave', on: { click: () => room.leave() } }, icon('leave'), say(h('span'), 'bar.leave'));
  const element = say(h('nav', { class: 'bar', role: 'toolbar' }, [...made.values()], leave), 'bar.label', {}, 'aria-label');
  const published = (source) => room.publications.find((p) => p.source === source);
  const busy = new Set();

  async function press(id) {
    if (buttons.find((b) => b.id === id).panel) return open(id);
    if (busy.has(id)) return;
    busy.add(id);
    try { await toggle(id); } catch (error) { if (error.code !== 'permission_denied' || id !== 'screen') tell(`${t(`bar.${id}`)}: ${explain(error)}`); }
    busy.delete(id);
    draw();
  }

  async function toggle(id) {
    const publication = published(id);
    if (id === 'screen') {
      if (!publication) return room.publishScreen();
      for (const p of room.publications) if (p.source.startsWith('screen')) room.unpublish(p);
    } else if (!publication) await (id === 'camera' ? room.publishCamera() : room.publishMicrophone());
    else if (publication.muted) await publication.unmute();
    else publication.mute();
  }

  function draw() {
    for (const id of ['microphone', 'camera']) {
      const publication = published(id);
      made.get(id).setAttribute('aria-pressed', String(!publication || publication.muted));
      made.get(id).disabled = !canPublish();
    }
    made.get('screen').setAttribute('aria-pressed', String(Boolean(published('screen'))));
    made.get('screen').disabled = !canPublish();
  }

  function onKey(event) {
    if (event.ctrlKey || event.altKey || event.metaKey || event.isComposing || event.repeat) return;
    if (event.target.closest('input, textarea, select, [contenteditable]')) return;
    if (/^[1-9]$/.test(event.key)) { event.preventDefault(); return pin(Number(event.key)); }
    const wanted = buttons.find(({ key }) => key === event.key.toLowerCase());
    if (wanted) { event.preventDefault(); press(wanted.id); }
  }

  return {
    element, draw,
    /** Sends what was on before the call. */
    start() {
      document.addEventListener('keydown', onKey);
      if (canPublish()) {
        if (devices.tracks.microphone) room.publishMicrophone({ track: devices.tracks.microphone });
        if (devices.tracks.camera) room.publishCamera({ track: devices.tracks.camera });
      }
      draw();
    },
    stop() { document.removeEventListener('keydown', onKey); },
    panel(shown) {
      for (const { id, panel } of buttons) if (panel) made.get(id).setAttribute('aria-pressed', String(id === shown));
      if (shown === 'chat') this.unread(false);
    },
    unread(is) { made.get('chat').classList.toggle('unread', is); },
  };
}

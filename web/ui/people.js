//! The people panel: who is here, how loud I hear each, and for moderators mute, remove and lock.
import { h, icon } from './dom.js';
import { currentLanguage, say } from './words.js';

/** `volumes` says how loud somebody is to be heard, in percent, and takes another wish. */
export function peoplePanel(room, volumes) {
  const list = h('ul', { class: 'list' }), lock = h('input', { type: 'checkbox', id: 'lock', on: { change: () => room.lock(lock.checked) } });
  const lockRow = h('label', { class: 'check' }, lock, say(h('span'), 'people.lock'));
  /** By participant; a row stays the same, so that whoever is at its slider stays there. */
  const rows = new Map();

  function draw() {
    const moderates = room.me.permissions.includes('moderate'), order = new Intl.Collator(currentLanguage());
    lockRow.hidden = !moderates;
    lock.checked = room.state.locked;
    const everybody = [room.me, ...room.participants.sort((a, b) => order.compare(a.name, b.name))], here = new Set(everybody.map(({ id }) => id));
    for (const id of rows.keys()) if (!here.has(id)) rows.delete(id);
    const wanted = everybody.map((participant) => row(participant, moderates));
    for (const child of [...list.children]) if (!wanted.includes(child)) child.remove();
    wanted.forEach((element, n) => { if (list.children[n] !== element) list.insertBefore(element, list.children[n] ?? null); });
  }

  function row({ id, name, role }, moderates) {
    const mine = id === room.me.id;
    if (!rows.has(id)) rows.set(id, h('li', {}, h('span', { class: 'grow' }), h('span', { class: 'quiet' }), mine ? null : slider(id), h('span', { class: 'actions' })));
    const element = rows.get(id), [words, is] = element.children, actions = element.lastElementChild, volume = element.querySelector('input');
    if (mine) say(words, 'you', { name }); else words.textContent = name;
    say(is, `people.${role}`);
    if (volume) for (const attribute of ['aria-label', 'title']) say(volume, 'people.volume', { name }, attribute);
    const does = moderates && !mine;
    if (does !== actions.childElementCount > 0 || actions.dataset.name !== name) {
      actions.dataset.name = name;
      actions.replaceChildren(...(does ? [action('microphone', 'people.mute', name, () => room.mute(id, { audio: true })), action('close', 'people.remove', name, () => room.kick(id))] : []));
    }
    return element;
  }

  function slider(id) {
    const set = (settled) => volumes.set(id, Number(input.value), settled);
    const input = h('input', { type: 'range', min: '0', max: '100', step: '5', 'data-volume': id, on: { input: () => set(false), change: () => set(true) } });
    input.value = String(volumes.of(id));
    return input;
  }

  function action(picture, key, name, click) {
    const button = h('button', { class: 'round small', 'data-action': key, on: { click } }, icon(picture));
    return say(say(button, key, { name }, 'aria-label'), key, { name }, 'title');
  }

  room.on('room', draw);
  return { element: h('section', {}, say(h('h2'), 'bar.people'), lockRow, list), draw };
}

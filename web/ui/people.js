//! The people panel: who is here, and for moderators mute, remove and lock.
import { h, icon } from './dom.js';
import { currentLanguage, say } from './words.js';

export function peoplePanel(room) {
  const list = h('ul', { class: 'list' }), lock = h('input', { type: 'checkbox', id: 'lock', on: { change: () => room.lock(lock.checked) } });
  const lockRow = h('label', { class: 'check' }, lock, say(h('span'), 'people.lock'));

  function draw() {
    const moderates = room.me.permissions.includes('moderate'), order = new Intl.Collator(currentLanguage());
    lockRow.hidden = !moderates;
    lock.checked = room.state.locked;
    const others = room.participants.sort((a, b) => order.compare(a.name, b.name));
    list.replaceChildren(...[room.me, ...others].map((participant) => {
      const { id, name, role } = participant, mine = id === room.me.id;
      const words = h('span', { class: 'grow' });
      if (mine) say(words, 'you', { name }); else words.textContent = name;
      return h('li', {}, words, say(h('span', { class: 'quiet' }), `people.${role}`),
        moderates && !mine ? [action('microphone', 'people.mute', name, () => room.mute(id, { audio: true })), action('close', 'people.remove', name, () => room.kick(id))] : null);
    }));
  }

  function action(picture, key, name, click) {
    const button = h('button', { class: 'round small', 'data-action': key, on: { click } }, icon(picture));
    return say(say(button, key, { name }, 'aria-label'), key, { name }, 'title');
  }

  room.on('room', draw);
  return { element: h('section', {}, say(h('h2'), 'bar.people'), lockRow, list), draw };
}

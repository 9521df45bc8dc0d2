//! The first page: name a room and start.
import { h } from './dom.js';
import { t, say } from './words.js';
import { recall } from './store.js';
import { languagePicker } from './settings.js';

const pattern = '[A-Za-z0-9_\\-]{1,64}';

export function home(go) {
  const name = h('input', { id: 'room', required: true, pattern, maxLength: 64, autocomplete: 'off', autocapitalize: 'off', spellcheck: false, autofocus: true, value: suggestion() });
  name.addEventListener('input', () => name.setCustomValidity(''));
  name.addEventListener('invalid', () => name.setCustomValidity(t('home.invalid')));
  const form = h('form', { class: 'row', on: { submit: (event) => { event.preventDefault(); go(`/r/${encodeURIComponent(name.value)}`); } } },
    say(h('label', { for: 'room', class: 'unseen' }), 'home.room'), name, say(h('button', { class: 'primary', id: 'start' }), 'home.start'));
  const rooms = (recall('rooms') ?? []).filter((room) => typeof room === 'string').slice(0, 5);
  const recent = rooms.length > 0 && h('nav', { class: 'recent' }, say(h('h2'), 'home.recent'), h('ul', {}, rooms.map((room) => {
    const path = `/r/${encodeURIComponent(room)}`;
    return h('li', {}, h('a', { href: path, on: { click: (event) => { event.preventDefault(); go(path); } } }, room));
  })));
  return {
    element: h('main', { class: 'card' }, h('img', { src: '/style/icon.svg', alt: '', class: 'mark' }),
      say(h('h1', { tabIndex: -1 }), 'home.title'), say(h('p', { class: 'quiet' }), 'home.text'), form, recent || null,
      h('footer', {}, languagePicker())),
  };
}

/** A name that nobody will guess by chance, and that can be read out. */
function suggestion() {
  const letters = 'abcdefghjkmnpqrstuvwxyz', random = crypto.getRandomValues(new Uint8Array(10));
  return [...random].map((n) => letters[n % letters.length]).join('').replace(/^(...)(....)/, '$1-$2-');
}

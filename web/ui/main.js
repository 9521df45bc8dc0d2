//! Which page is shown for which address, and what is shown when a room has ended.
import { h } from './dom.js';
import { explain, say, t } from './words.js';
import './theme.js';
import { home } from './home.js';
import { prejoin } from './prejoin.js';
import { call } from './call.js';

const app = document.getElementById('app');
let close = () => {};

/** Puts a page on the screen; a page is `{element, close}`. */
function show(page) {
  close();
  close = page.close ?? (() => {});
  app.replaceChildren(page.element);
  (page.element.querySelector('[autofocus]') ?? page.element.querySelector('h1'))?.focus();
}

/** The room named by the address, or null. */
function roomOfAddress() {
  const match = /^\/r\/([^/]+)\/?$/.exec(location.pathname);
  try { return match && decodeURIComponent(match[1]); } catch { return null; }
}

function route() {
  const room = roomOfAddress();
  document.title = room ? `${room} · Trefoil` : 'Trefoil';
  if (!room) return show(home(go));
  show(prejoin(room, (joined, devices) => show(call(joined, devices, ended))));
}

function go(path) {
  history.pushState(null, '', path);
  route();
}

/** The one page for every way in which a room ends. */
function ended(why) {
  const words = h('p', { role: 'alert' });
  const known = ['left', 'kicked', 'replaced', 'room_closed'].includes(why.code);
  if (known) say(words, `end.${why.code}`); else words.textContent = explain(why);
  const again = h('button', { class: 'primary', id: 'again', autofocus: true, on: { click: route } });
  const first = h('button', { on: { click: () => go('/') } });
  show({ element: h('main', { class: 'card', 'data-ended': why.code }, h('h1', { tabIndex: -1 }, 'Trefoil'), words,
    h('div', { class: 'row' }, say(again, 'end.again'), say(first, 'end.home'))) });
}

addEventListener('popstate', route);
route();

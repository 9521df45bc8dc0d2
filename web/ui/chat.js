//! The chat panel: messages through the server, files over the data channels.
import { announce, h, icon } from './dom.js';
import { say, t } from './words.js';
import { offerFile, sendFiles } from './files.js';

const LINES_LIMIT = 500;
const TEXT_LENGTH = 4000;

export function chatPanel(room, tell) {
  const log = h('ol', { class: 'log', 'aria-live': 'off' });
  const empty = say(h('p', { class: 'quiet' }), 'chat.empty');
  const text = say(h('input', { id: 'chat-text', maxLength: TEXT_LENGTH, autocomplete: 'off' }), 'chat.write', {}, 'placeholder');
  say(text, 'chat.write', {}, 'aria-label');
  const picker = h('input', { type: 'file', id: 'chat-file', hidden: true, multiple: true, on: { change: () => { sendFiles(room, [...picker.files], add, tell); picker.value = ''; } } });
  const attach = h('button', { type: 'button', class: 'round small', on: { click: () => picker.click() } }, icon('file'));
  const send = h('button', { class: 'round small primary', id: 'chat-send' }, icon('send'));
  for (const [button, key] of [[attach, 'chat.file'], [send, 'chat.send']]) { say(button, key, {}, 'aria-label'); say(button, key, {}, 'title'); }
  const form = h('form', { class: 'write', on: { submit: (event) => { event.preventDefault(); submit(); } } }, picker, attach, text, send);
  // Enter also ends the choice of a Chinese or Japanese word, which sends nothing.
  form.addEventListener('keydown', (event) => { if (event.key === 'Enter' && event.isComposing) event.preventDefault(); });

  function submit() {
    const words = text.value.trim();
    if (!words) return;
    room.sendMessage({ text: words });
    line(room.me.name, words, 'mine');
    text.value = '';
  }

  function add(...content) {
    empty.hidden = true;
    const item = h('li', {}, ...content);
    log.append(item);
    while (log.childElementCount > LINES_LIMIT) log.firstElementChild.remove();
    item.scrollIntoView({ block: 'nearest' });
    return item;
  }

  function line(name, words, kind) {
    const time = new Intl.DateTimeFormat(document.documentElement.lang, { timeStyle: 'short' }).format(new Date());
    add(h('p', { class: 'who' }, h('b', {}, name), h('time', {}, time)), h('p', { class: 'words', dir: 'auto' }, ...linked(words))).classList.add(kind);
  }

  const nameOf = (id) => room.participants.find((p) => p.id === id)?.name ?? t('guest');
  room.on('message', ({ from, data }) => {
    if (typeof data?.text !== 'string') return;
    const words = data.text.slice(0, TEXT_LENGTH);
    line(nameOf(from), words, 'theirs');
    announce(t('chat.said', { name: nameOf(from), text: words }));
  });
  room.on('file', (file) => offerFile(file, nameOf(file.from), add));

  return {
    element: h('section', { class: 'chat' }, say(h('h2'), 'bar.chat'), empty, log, form),
    opened: () => text.focus(),
  };
}

/** Text with its web addresses as links. */
function linked(words) {
  return words.split(/(https?:\/\/[^\s<>"']+)/).map((part, n) => (n % 2 ? h('a', { href: part, target: '_blank', rel: 'noopener noreferrer' }, part) : part));
}

//! Files in the chat: one line for each, with its progress, and what became of it.
import { h } from './dom.js';
import { bytes, explain, say, t } from './words.js';

/** Offers files to everybody in the room. */
export function sendFiles(room, files, add, tell) {
  if (room.participants.length === 0) return tell(t('file.nobody'));
  for (const file of files) for (const { id, name } of room.participants) {
    try { follow(room.sendFile(file, id), { file: file.name, name }, 'file.sending', add); } catch (error) { tell(t('file.failed', { file: file.name, why: explain(error) })); }
  }
}

/** Shows the line of a file on its way out. */
function follow(transfer, values, key, add) {
  const words = say(h('p', { class: 'words' }), key, values), bar = h('progress', { max: Math.max(1, transfer.size), value: 0 });
  const line = add(words, bar);
  line.classList.add('file', 'mine');
  transfer.on('progress', (progress) => { bar.value = progress.bytes; });
  transfer.done.then(() => { say(words, 'file.sent', values); line.dataset.done = 'sent'; }, (error) => failed(words, values, error)).finally(() => bar.remove());
}

/** Somebody offers a file: shows it, and receives it if wanted. */
export function offerFile(file, name, add) {
  const values = { file: file.name, name, size: bytes(file.size) };
  const words = say(h('p', { class: 'words' }), 'file.offered', values), bar = h('progress', { max: Math.max(1, file.size), value: 0 });
  const accept = say(h('button', { class: 'primary', 'data-accept': '', on: { click: receive } }), 'file.accept');
  const decline = say(h('button', { on: { click: () => { file.cancel(); row.remove(); } } }), 'file.decline');
  const row = h('div', { class: 'row' }, accept, decline), line = add(words, row);
  line.classList.add('file', 'theirs');

  async function receive() {
    row.replaceWith(bar);
    say(words, 'file.receiving', values);
    file.on('progress', (progress) => { bar.value = progress.bytes; });
    try {
      const whole = await file.accept();
      const link = say(h('a', { href: URL.createObjectURL(whole), download: whole.name, 'data-save': '' }), 'file.save', values);
      words.replaceChildren(link);
    } catch (error) {
      failed(words, values, error);
    }
    bar.remove();
  }
}

function failed(words, { file }, error) { words.textContent = t('file.failed', { file, why: explain(error) }); }

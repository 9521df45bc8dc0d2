//! What is played into the room: its sound, and a line with name and progress for each.
import { announce, h } from './dom.js';
import { currentLanguage, say, t } from './words.js';

/** `blocked` is called where the browser plays nothing before a click. */
export function announcements(blocked) {
  const lines = new Map(), audio = h('audio', { id: 'announced', autoplay: true });
  const element = h('div', { class: 'announcements' }, audio);

  function draw({ id, name, state, seconds, length }) {
    let line = lines.get(id);
    if (state === 'ended') {
      lines.delete(id);
      return line?.remove();
    }
    if (!line) {
      lines.set(id, line = h('div', { class: 'announcement', 'data-announcement': id }, h('span', {}), h('progress', { max: 1 }), h('span', { class: 'quiet' })));
      element.append(line);
      announce(t('call.announcement', { name }));
    }
    const [words, bar, time] = line.children, number = new Intl.NumberFormat(currentLanguage(), { maximumFractionDigits: 0 });
    say(words, 'call.announcement', { name });
    bar.value = length > 0 ? Math.min(1, seconds / length) : 0;
    bar.setAttribute('aria-label', name);
    say(time, 'call.announced', { seconds: number.format(seconds), length: number.format(length) });
  }

  /** The sound, where it is not in the mix. */
  function hear(stream) {
    audio.srcObject = stream;
    if (stream) audio.play().catch((error) => { if (error.name === 'NotAllowedError') blocked(); });
  }

  return { element, draw, hear, play: () => { audio.play().catch(() => {}); } };
}

//! The pictures: one tile for each person and each shared screen, as large as the stage allows.
import { h, icon } from './dom.js';
import { say } from './words.js';

const RATIO = 16 / 9, GAP = 8;

/** One person or screen. */
export class Tile {
  constructor({ participant, source, mirrored = false, silent = false }) {
    this.source = source;
    this.stream = new MediaStream();
    this.video = h('video', { autoplay: true, playsInline: true, muted: silent, class: mirrored ? 'mirrored' : '', srcObject: this.stream });
    this.name = h('span', { class: 'name' });
    this.note = h('span', { class: 'status' });
    this.initial = h('span', { class: 'initial', 'aria-hidden': 'true' });
    this.mutedMark = say(h('span', { class: 'mark muted', role: 'img', hidden: true }, icon('microphone')), 'tile.muted', {}, 'aria-label');
    this.element = h('div', { class: 'tile', role: 'group', 'data-participant': participant, 'data-source': source },
      this.initial, this.video, h('div', { class: 'label' }, this.mutedMark, this.name), this.note);
    this.element.style.setProperty('--hue', String(hue(participant)));
  }

  /** Who this is and how: name, muted, away, and how the connection to them is. */
  describe({ name, key = null, muted, away = false, connection = 'connected' }) {
    say(this.name, key ?? 'name', { name });
    this.initial.textContent = first(name);
    this.element.setAttribute('aria-label', this.name.textContent);
    this.mutedMark.hidden = !muted?.audio;
    this.element.classList.toggle('faceless', Boolean(muted?.video));
    const waiting = connection === 'new' || connection === 'connecting', broken = away || connection === 'disconnected' || connection === 'failed';
    this.element.classList.toggle('away', broken);
    this.element.dataset.connection = connection;
    this.note.hidden = !waiting && !broken;
    say(this.note, broken ? 'tile.away' : 'tile.connecting');
  }

  /** Shows these tracks and no others. */
  show(tracks, onBlocked = () => {}) {
    for (const track of this.stream.getTracks()) if (!tracks.includes(track)) this.stream.removeTrack(track);
    for (const track of tracks) if (!this.stream.getTracks().includes(track)) this.stream.addTrack(track);
    if (tracks.length) this.video.play().catch((error) => { if (error.name === 'NotAllowedError') onBlocked(); });
  }
}

/** The stage: shared screens large with the people in a strip, or people in equal tiles. */
export class Stage {
  constructor() {
    this.screens = h('div', { class: 'screens' });
    this.people = h('div', { class: 'people' });
    this.element = h('section', { class: 'stage' }, this.screens, this.people);
    this.watcher = new ResizeObserver(() => this.arrange());
    this.watcher.observe(this.people);
    this.watcher.observe(this.screens);
  }
  add(tile) { (tile.source === 'screen' ? this.screens : this.people).append(tile.element); this.arrange(); }
  remove(tile) { tile.stream.getTracks().forEach((track) => tile.stream.removeTrack(track)); tile.element.remove(); this.arrange(); }
  arrange() {
    const sharing = this.screens.childElementCount > 0, two = !sharing && this.people.childElementCount === 2;
    this.element.classList.toggle('sharing', sharing);
    // With two, the other is large and oneself small in a corner.
    this.element.classList.toggle('two', two);
    for (const box of [this.screens, this.people]) {
      const { clientWidth, clientHeight, childElementCount } = box;
      const { width, height } = fit(two ? 1 : childElementCount, clientWidth, clientHeight);
      box.style.setProperty('--width', `${width}px`);
      box.style.setProperty('--height', `${height}px`);
    }
  }
}

/** The size of `count` equal tiles with the number of columns that makes them largest; tall stages take tiles nearer to a square. */
export function fit(count, boxWidth, boxHeight) {
  const ratio = boxWidth < boxHeight ? (count === 1 ? boxWidth / boxHeight : 4 / 3) : RATIO;
  let best = { width: 0, height: 0 };
  for (let columns = 1; columns <= Math.max(1, count); columns++) {
    const rows = Math.ceil(Math.max(1, count) / columns);
    const width = Math.floor(Math.min((boxWidth - GAP * (columns - 1)) / columns, (boxHeight - GAP * (rows - 1)) / rows * ratio));
    if (width > best.width) best = { width, height: Math.floor(width / ratio) };
  }
  return best;
}

function hue(text) {
  let sum = 0;
  for (const letter of text) sum = (sum * 31 + letter.codePointAt(0)) % 360;
  return sum;
}

/** The first letter as people see letters: a family emoji is one. */
function first(name) {
  return [...new Intl.Segmenter().segment(name.trim())][0]?.segment.toUpperCase() ?? '?';
}

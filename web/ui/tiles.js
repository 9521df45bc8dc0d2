//! The pictures: a tile for each person and each shared screen, with their name and how they are.
import { h, icon } from './dom.js';
import { say } from './words.js';

/** One person or screen. */
export class Tile {
  constructor({ participant, source, mine = false, pin }) {
    Object.assign(this, { participant, source, mine });
    this.stream = new MediaStream();
    this.video = h('video', { autoplay: true, playsInline: true, muted: mine, class: mine && source === 'camera' ? 'mirrored' : '', srcObject: this.stream });
    this.name = h('span', { class: 'name' });
    this.note = h('span', { class: 'status' });
    this.initial = h('span', { class: 'initial', 'aria-hidden': 'true' });
    this.mutedMark = say(h('span', { class: 'mark muted', role: 'img', hidden: true }, icon('microphone')), 'tile.muted', {}, 'aria-label');
    this.qualityMark = h('span', { class: 'mark quality', role: 'img', hidden: true }, icon('details'));
    this.pin = h('button', { class: 'round pin', 'aria-pressed': 'false', on: { click: () => pin(this) } }, icon('pin'));
    this.element = h('div', { class: 'tile', role: 'group', 'data-participant': participant, 'data-source': source },
      this.initial, this.video, h('div', { class: 'label' }, this.mutedMark, this.qualityMark, this.name), this.note, this.pin);
    this.element.style.setProperty('--hue', String(hue(participant)));
  }

  /** Who this is and how: name, muted, away, and how the connection to them is. */
  describe({ name, key = null, muted, away = false, connection = 'connected' }) {
    say(this.name, key ?? 'name', { name });
    this.called = name;
    say(this.pin, 'tile.pin', { name }, 'aria-label');
    this.hint();
    this.initial.textContent = first(name);
    this.element.setAttribute('aria-label', this.name.textContent);
    this.mutedMark.hidden = !muted?.audio;
    this.muted = muted;
    this.face();
    const waiting = connection === 'new' || connection === 'connecting', broken = away || connection === 'disconnected' || connection === 'failed';
    this.element.classList.toggle('away', broken);
    this.element.dataset.connection = connection;
    this.note.hidden = !waiting && !broken;
    say(this.note, broken ? 'tile.away' : 'tile.connecting');
  }

  /** Shows these tracks and no others. */
  show(tracks, onBlocked = () => {}) {
    // What comes goes in before what goes, so that there is no moment without a picture; but no two have the same id.
    for (const track of tracks) {
      const before = this.stream.getTrackById(track.id);
      if (before && before !== track) this.stream.removeTrack(before);
      this.stream.addTrack(track);
    }
    for (const track of this.stream.getTracks()) if (!tracks.includes(track)) this.stream.removeTrack(track);
    this.face();
    if (tracks.length) this.video.play().catch((error) => { if (error.name === 'NotAllowedError') onBlocked(); });
  }

  /** How loud it plays, in percent. */
  volume(percent) { this.video.volume = percent / 100; }

  /** The key that pins it; null for none. */
  number(key) {
    if (this.key === key) return;
    this.key = key;
    if (key) this.pin.setAttribute('aria-keyshortcuts', key); else this.pin.removeAttribute('aria-keyshortcuts');
    this.hint();
  }

  hint() { if (this.called) say(this.pin, this.key ? 'tile.pinKey' : 'tile.pin', { name: this.called, key: this.key ?? '' }, 'title'); }

  /** Without a picture there is the initial. */
  face() { this.element.classList.toggle('faceless', Boolean(this.muted?.video) || this.stream.getVideoTracks().length === 0); }

  /** A mark where the picture does not come as it should. */
  grade(quality) {
    this.qualityMark.hidden = quality === 'good';
    this.qualityMark.dataset.quality = quality;
    if (quality !== 'good') for (const attribute of ['aria-label', 'title']) say(this.qualityMark, `tile.${quality}`, {}, attribute);
  }
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

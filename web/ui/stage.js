//! Where tiles stand: people in equal tiles, page by page; or what is shared or pinned large, with the people in a strip.
import { h } from './dom.js';
import { say } from './words.js';
import { PAGE, STRIP, paged, promote } from './order.js';

const RATIO = 16 / 9, GAP = 8;

export class Stage {
  /** `changed` is called when other tiles are seen, or as large as before no longer. */
  constructor(changed) {
    this.changed = changed;
    this.tiles = [];
    this.pinned = null;
    this.page = 0;
    this.spoke = new Map();
    this.large = h('div', { class: 'screens' });
    this.people = h('div', { class: 'people' });
    this.pageOf = h('span');
    this.turns = [-1, 1].map((step) => {
      const button = h('button', { class: 'round small', id: step < 0 ? 'page-back' : 'page-on', on: { click: () => this.turn(step) } }, step < 0 ? '‹' : '›');
      return say(button, step < 0 ? 'stage.back' : 'stage.on', {}, 'aria-label');
    });
    this.pager = h('nav', { class: 'pager', hidden: true }, this.turns[0], this.pageOf, this.turns[1]);
    this.element = h('section', { class: 'stage' }, this.large, h('div', { class: 'side' }, this.people, this.pager));
    this.watcher = new ResizeObserver(() => this.arrange());
    this.watcher.observe(this.people);
    this.watcher.observe(this.large);
  }

  close() { this.watcher.disconnect(); }

  add(tile) {
    this.tiles.push(tile);
    this.arrange();
  }

  remove(tile) {
    this.tiles = this.tiles.filter((other) => other !== tile);
    this.spoke.delete(tile);
    if (this.pinned === tile) this.pinned = null;
    for (const track of tile.stream.getTracks()) tile.stream.removeTrack(track);
    tile.element.remove();
    this.arrange();
  }

  /** Large, or as before. */
  pin(tile) {
    this.pinned = this.pinned === tile ? null : tile;
    this.arrange();
  }

  /** The tile of that number, as `arrange` gives them to keys. */
  pinNumber(number) {
    const tile = this.tiles.find(({ key }) => key === String(number));
    if (tile) this.pin(tile);
  }

  turn(step) {
    this.page += step;
    this.arrange();
  }

  /** Rings around those who speak; whoever is on another page comes to the first. */
  speaking(participants) {
    const now = performance.now();
    for (const tile of this.tiles) {
      if (tile.source !== 'camera') continue;
      const speaks = participants.includes(tile.participant);
      tile.element.classList.toggle('speaking', speaks);
      if (speaks) this.spoke.set(tile, now);
    }
    const speaker = this.tiles.find((tile) => tile.source === 'camera' && tile.participant === participants[0]);
    const people = this.tiles.filter((tile) => !this.isLarge(tile)), next = speaker && people.includes(speaker) ? promote(people, speaker, this.size, this.spoke) : people;
    if (next !== people) this.tiles = [...this.tiles.filter((tile) => this.isLarge(tile)), ...next];
    this.arrange();
  }

  isLarge(tile) { return tile === this.pinned || (tile.source === 'screen' && !this.pinned); }
  get size() { return this.tiles.some((tile) => this.isLarge(tile)) ? STRIP : PAGE; }

  /** What is seen and how high, in pixels of the screen; all else is 0 high. */
  seen() {
    const high = (tile) => (tile.element.hidden ? 0 : Math.ceil(tile.element.getBoundingClientRect().height * devicePixelRatio));
    return this.tiles.filter((tile) => !tile.mine).map((tile) => ({ participant: tile.participant, source: tile.source, height: high(tile), large: this.isLarge(tile) }));
  }

  arrange() {
    const large = this.tiles.filter((tile) => this.isLarge(tile)), people = this.tiles.filter((tile) => !this.isLarge(tile));
    const sharing = large.length > 0, two = !sharing && people.length === 2;
    const { pages, page, items } = paged(people, this.size, Math.max(0, this.page));
    this.page = page;
    this.element.classList.toggle('sharing', sharing);
    // With two, the other is large and oneself small in a corner.
    this.element.classList.toggle('two', two);
    for (const [box, tiles] of [[this.large, large], [this.people, people]]) tiles.forEach((tile, n) => this.place(tile, box, n, box === this.large || items.includes(tile)));
    // In an order that pinning does not change, so that the same key takes it back.
    const numbered = this.tiles.filter((tile) => !tile.mine && !tile.element.hidden);
    for (const tile of this.tiles) { const n = numbered.indexOf(tile); tile.number(n >= 0 && n < 9 ? String(n + 1) : null); }
    this.pager.hidden = pages === 1;
    say(this.pageOf, 'stage.page', { page: page + 1, pages });
    this.turns[0].disabled = page === 0;
    this.turns[1].disabled = page === pages - 1;
    this.scale(this.large, large.length);
    this.scale(this.people, two ? 1 : items.length);
    this.changed();
  }

  /** Into its box, without taking it out where it is already there: that would stop the picture. */
  place(tile, box, n, visible) {
    if (tile.element.parentNode !== box) box.append(tile.element);
    tile.element.style.order = String(n);
    tile.element.hidden = !visible;
    tile.pin.setAttribute('aria-pressed', String(tile === this.pinned));
  }

  scale(box, count) {
    const { width, height } = fit(count, box.clientWidth, box.clientHeight);
    box.style.setProperty('--width', `${width}px`);
    box.style.setProperty('--height', `${height}px`);
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

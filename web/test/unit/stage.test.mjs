// Who is on which page of the stage, and what the room is asked for.
import test from 'node:test';
import assert from 'node:assert/strict';
import { paged, promote } from '../../ui/order.js';
import { wishes } from '../../ui/wishes.js';

const people = (count) => [...Array(count).keys()];

test('a page holds as many as it can, and a page that is no more is the last', () => {
  assert.deepEqual(paged(people(25), 25, 0), { pages: 1, page: 0, items: people(25) });
  assert.deepEqual(paged(people(30), 25, 1), { pages: 2, page: 1, items: [25, 26, 27, 28, 29] });
  assert.deepEqual(paged(people(30), 25, 7).page, 1);
  assert.deepEqual(paged([], 25, 0), { pages: 1, page: 0, items: [] });
});

test('who speaks on another page takes the place of whoever was silent for longest, and nobody else moves', () => {
  const spoke = new Map(people(25).map((n) => [n, 1000 + n]));
  spoke.set(7, 5);
  const next = promote(people(30), 28, 25, spoke);
  assert.equal(next[7], 28);
  assert.equal(next[28], 7);
  assert.deepEqual(next.filter((n, at) => n !== at), [28, 7]);
});

test('who speaks on the first page stays where they are, and oneself always does', () => {
  const order = people(30);
  assert.equal(promote(order, 24, 25, new Map()), order);
  assert.equal(promote(order, 29, 25, new Map(people(30).map((n) => [n, 1])))[0], 0);
});

const tiles = [
  { participant: 'p_1', source: 'screen', height: 900, large: true }, { participant: 'p_1', source: 'camera', height: 300, large: false },
  { participant: 'p_2', source: 'camera', height: 300, large: false }, { participant: 'p_3', source: 'camera', height: 0, large: false },
];
const heights = (quality) => wishes(tiles, { quality, speakers: [] }).map(({ height }) => height);

test('what is on the screen is asked for as high as it is, and less where less is wanted', () => {
  assert.deepEqual(heights('auto'), [900, 300, 300, 0]);
  assert.deepEqual(heights('save'), [720, 180, 180, 0]);
  assert.deepEqual(heights('sound'), [0, 0, 0, 0]);
});

test('what is large comes before who speaks, and that before the rest', () => {
  const priorities = wishes(tiles, { quality: 'auto', speakers: ['p_2'] }).map(({ priority }) => priority);
  assert.deepEqual(priorities, [3, 1, 2, 1]);
});

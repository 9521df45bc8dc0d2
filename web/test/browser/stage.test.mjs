// The stage with more people than fit on a page: tiles without any call.
import test from 'node:test';
import assert from 'node:assert/strict';
import { launchChromium } from '../../../kit/lab/lib/chromium.mjs';
import { startTrefoil } from '../../../kit/lab/lib/trefoil.mjs';
import { until } from '../../../kit/lab/lib/senses.mjs';

test('thirty people are on two pages; what is not seen is 0 high; who speaks comes to the first page', async (t) => {
  const [server, browser] = await Promise.all([startTrefoil(), launchChromium()]);
  t.after(() => Promise.all([browser.close(), server.stop()]));
  const page = await browser.page();
  await page.goto(server.url);
  await page.evaluate(async () => {
    const { Stage } = await import('/ui/stage.js'), { Tile } = await import('/ui/tiles.js');
    window.stage = new Stage(() => {});
    document.body.replaceChildren(window.stage.element);
    window.stage.element.style.height = '100vh';
    for (let n = 0; n < 30; n++) {
      const tile = new Tile({ participant: `p_${n}`, source: 'camera', mine: n === 0, pin: () => window.stage.pin(tile) });
      tile.describe({ name: `P${n}` });
      window.stage.add(tile);
    }
  });
  const seen = () => page.evaluate(() => [...document.querySelectorAll('.tile:not([hidden])')].map((tile) => tile.dataset.participant));
  await until('sizes', () => page.evaluate(() => document.querySelector('.tile').clientHeight > 50));
  assert.deepEqual(await seen(), [...Array(25).keys()].map((n) => `p_${n}`));
  const asked = await page.evaluate(() => window.stage.seen());
  assert.equal(asked.length, 29, 'oneself is not asked for');
  assert.deepEqual(asked.filter(({ height }) => height === 0).map(({ participant }) => participant), ['p_25', 'p_26', 'p_27', 'p_28', 'p_29']);
  const inside = await page.evaluate(() => [...document.querySelectorAll('.tile:not([hidden])')].every((tile) => { const box = tile.getBoundingClientRect(); return box.bottom <= innerHeight && box.right <= innerWidth; }));
  assert.ok(inside, 'everybody fits');
  await page.click('#page-on');
  assert.deepEqual(await seen(), ['p_25', 'p_26', 'p_27', 'p_28', 'p_29']);
  assert.equal(await page.evaluate(() => document.querySelector('.pager span').textContent), '2 / 2');
  await page.click('#page-back');
  await page.evaluate(() => window.stage.speaking(['p_28']));
  const first = await seen();
  assert.ok(first.includes('p_28') && first.includes('p_0') && first.length === 25);
  assert.equal(await page.evaluate(() => document.querySelectorAll('.tile.speaking').length), 1);
  await page.evaluate(() => document.querySelector('[data-participant=p_3] .pin').click());
  assert.equal((await seen()).length, 1 + 6, 'one large and a strip of six');
});

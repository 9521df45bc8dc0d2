//! Somebody in a browser at the real page: joins, looks, listens, clicks; the same for Chromium and Firefox.
import assert from 'node:assert/strict';
import { isColour, listen, look, until } from './senses.mjs';

export class Person {
  constructor(browser, page, { name, hz, colour }) {
    Object.assign(this, { browser, page, name, hz, colour, faults: [] });
    page.on('pageerror', (error) => this.faults.push(String(error)));
    page.on('console', (message) => { if (message.type() === 'error') this.faults.push(message.text()); });
  }

  /** `hz` and `colour`: what the others are to hear and see of this person. */
  static async at(browser, who) { return new Person(browser, await browser.page(), who); }

  ev(fn, argument) { return this.page.evaluate(fn, argument); }

  /** Opens the link, types the name, waits for the devices and joins. */
  async join(url) {
    await this.page.goto(url);
    await this.enter();
    await this.inCall();
  }
  async enter() {
    await this.waitFor('#join');
    await until(`${this.name} has camera and microphone`, () => this.ev(() => document.querySelectorAll('#pre-microphone[aria-pressed=false], #pre-camera[aria-pressed=false]').length === 2));
    await this.type('#name', this.name);
    await this.click('#join');
  }
  inCall() { return this.waitFor('.call'); }

  waitFor(selector, seconds) { return until(`${this.name} sees ${selector}`, () => this.ev((s) => Boolean(document.querySelector(s)), selector), seconds); }
  text(selector) { return this.ev((s) => document.querySelector(s)?.textContent ?? null, selector); }
  click(selector) { return this.page.click(selector); }
  async type(selector, text) {
    await this.ev((s) => { document.querySelector(s).value = ''; }, selector);
    await this.page.type(selector, text);
  }

  /** The id of the tile of somebody with this name. */
  tile(name, source = 'camera') {
    return until(`${this.name} has a ${source} tile of ${name}`, async (note) => {
      const all = await this.ev((s) => [...document.querySelectorAll(`.tile:not(.me)[data-source=${s}]`)].map((t) => [t.querySelector('.name').textContent, t.dataset.participant]), source);
      note(all);
      return all.find(([who]) => who.includes(name))?.[1];
    });
  }

  /** Asserts that somebody's tone is heard and colour seen here, and that the picture moves. */
  async meets(other) {
    const selector = `.tile[data-participant="${await this.tile(other.name)}"][data-source=camera] video`;
    await Promise.all([this.sees(selector, other), this.hears(selector, other)]);
  }
  async sees(selector, { name, colour }) {
    await until(`${this.name} sees ${name} (${colour})`, async (note) => {
      const seen = await this.ev(look, selector);
      note(seen);
      if (seen.frames < 3 || seen.motion < 0.2) return false;
      if (colour !== 'changing') return isColour(seen.colour, colour);
      const later = await this.ev(look, selector);
      return Math.hypot(...seen.colour.map((c, i) => c - later.colour[i])) > 5 && Math.max(...seen.colour) > 40;
    });
  }
  async hears(selector, { name, hz }) {
    await until(`${this.name} hears ${name} (${hz} Hz)`, async (note) => {
      const heard = await this.ev(listen, selector);
      note(heard);
      return heard.decibel > -70 && Math.abs(heard.hz - hz) < 15;
    });
  }

  /** Nothing on the page went wrong that nobody was told about. */
  unharmed() { assert.deepEqual(this.faults, []); }
}

/** Everybody asserts that everybody else is seen and heard. */
export async function allMeet(...people) {
  for (const person of people) for (const other of people) if (person !== other) await person.meets(other);
}

// The two dictionaries say the same things, and have words for every code that can reach a person.
import test from 'node:test';
import assert from 'node:assert/strict';
import { readFileSync, readdirSync } from 'node:fs';
import path from 'node:path';
import en from '../../i18n/en.js';
import zh from '../../i18n/zh-Hans.js';

const root = path.resolve(import.meta.dirname, '../../..'), read = (file) => readFileSync(path.join(root, file), 'utf8');
const placeholders = (text) => (text.match(/\{\w+\}/g) ?? []).sort();

test('English and Chinese have equal keys and equal placeholders', () => {
  assert.deepEqual(Object.keys(zh), Object.keys(en));
  for (const [key, text] of Object.entries(en)) assert.deepEqual(placeholders(zh[key]), placeholders(text), key);
});

test('every word that the page asks for is in the dictionary, and every word in it is asked for', () => {
  const sources = readdirSync(path.join(root, 'web/ui')).map((file) => read(`web/ui/${file}`)).join('\n');
  const asked = new Set([...sources.matchAll(/'([a-z]+(?:\.[A-Za-z_.]+)*)'/g)].map(([, key]) => key));
  // Keys that are put together: `bar.${id}` and the like.
  const families = new Set([...sources.matchAll(/`([a-z.]+\.)\$\{/g)].map(([, family]) => family));
  for (const key of Object.keys(en)) {
    assert.ok(asked.has(key) || [...families].some((family) => key.startsWith(family)) || key === 'language', `nobody says ${key}`);
  }
  // Every literal that looks like a key, but not the names of files.
  for (const key of asked) if (/^(home|pre|bar|call|tile|stage|chat|file|people|details|settings|end|error|muted)\./.test(key)) assert.ok(en[key], `no words for ${key}`);
});

test('every code of the protocol and of the SDK that ends or refuses something has words', () => {
  const protocol = read('docs/PROTOCOL.md');
  const developersOnly = new Set(['malformed', 'unknown_type', 'join_first', 'already_joined', 'unsupported_version', 'session_lost', 'no_such_participant', 'unusable_sdp', 'no_media_server']);
  const codes = [...protocol.matchAll(/^\| `(\w+)` \|/gm)].map(([, code]) => code);
  const reasons = [.../Reasons for leaving:([^\n]*\n)+?\n/.exec(protocol)[0].matchAll(/`(\w+)`/g)].map(([, reason]) => reason);
  const sdk = [.../The SDK adds:([^*]|\*(?!\/))*/.exec(read('web/sdk/errors.js'))[0].matchAll(/`(\w+)`/g)].map(([, code]) => code);
  assert.ok(codes.length > 15 && reasons.length > 6 && sdk.length > 6, 'the tables have moved: mend this test');
  for (const code of [...codes, ...reasons, ...sdk]) {
    if (!developersOnly.has(code)) assert.ok(en[`error.${code}`] ?? en[`end.${code}`], `no words for ${code}`);
  }
});

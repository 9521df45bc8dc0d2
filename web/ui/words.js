//! The page's words in the language chosen, changeable while the page is open.
import en from '../i18n/en.js';
import zh from '../i18n/zh-Hans.js';
import { remember, recall } from './store.js';

export const languages = { en, 'zh-Hans': zh };
let language = recall('language') ?? ((navigator.languages ?? [navigator.language]).some((l) => /^zh\b/i.test(l)) && !/^en\b/i.test(navigator.language) ? 'zh-Hans' : 'en');
if (!languages[language]) language = 'en';
/** What each element marked `data-say` says, by attribute; '' is its text. @type {WeakMap<Element, Map<string, [string, object]>>} */
const said = new WeakMap();
document.documentElement.lang = language;

export const currentLanguage = () => language;

/** A sentence; `{name}` in it is taken from `values`. */
export function t(key, values = {}) {
  const text = languages[language][key] ?? en[key] ?? key;
  return text.replace(/\{(\w+)\}/g, (_, name) => String(values[name] ?? ''));
}

/** What went wrong, and what to do next. */
export function explain(error) {
  const code = error?.code ?? 'unknown';
  return en[`error.${code}`] ? t(`error.${code}`) : t('error.unknown', { code });
}

/** Puts a sentence into an element, or into one of its attributes, and again when the language changes. */
export function say(element, key, values = {}, attribute = '') {
  const all = said.get(element) ?? new Map();
  said.set(element, all.set(attribute, [key, values]));
  element.setAttribute('data-say', '');
  put(element, attribute, t(key, values));
  return element;
}

function put(element, attribute, text) {
  if (attribute) element.setAttribute(attribute, text); else element.textContent = text;
}

/** Says everything below an element again: for what was not on the page when the language changed. */
export function sayAgain(root) {
  for (const element of root.querySelectorAll('[data-say]')) {
    for (const [attribute, [key, values]] of said.get(element) ?? []) put(element, attribute, t(key, values));
  }
}

export function setLanguage(next) {
  language = next;
  remember('language', next);
  document.documentElement.lang = next;
  sayAgain(document);
}

/** 1.5 MB, in the language's digits. */
export function bytes(count) {
  const power = count < 1000 ? 0 : Math.min(3, Math.floor(Math.log10(count) / 3));
  const unit = ['byte', 'kilobyte', 'megabyte', 'gigabyte'][power];
  return new Intl.NumberFormat(language, { style: 'unit', unit, unitDisplay: 'short', maximumFractionDigits: 1 }).format(count / 1000 ** power);
}

//! Light or dark: as the system says, unless the owner chose.
import { recall, remember } from './store.js';

export const themes = ['auto', 'light', 'dark'];
export const currentTheme = () => (themes.includes(recall('theme')) ? recall('theme') : 'auto');

export function setTheme(theme) {
  remember('theme', theme);
  document.documentElement.dataset.theme = theme;
}
document.documentElement.dataset.theme = currentTheme();

//! What this browser remembers for its owner: name, devices, language, colours, rooms. Nothing of it is needed.

export function recall(key) {
  try { return JSON.parse(localStorage.getItem(`trefoil.${key}`)); } catch { return null; }
}

export function remember(key, value) {
  try { localStorage.setItem(`trefoil.${key}`, JSON.stringify(value)); } catch { /* private window: forgotten */ }
}

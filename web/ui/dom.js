//! Building elements: text is always a text node, so nothing that a person wrote can become markup.

/**
 * Makes an element. In `props`, `on` holds listeners, `class`, `for`, `aria-*`, `data-*` and `role` are attributes, and
 * the rest are properties. Children are nodes or text; empty ones are left out.
 */
export function h(tag, props = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(props)) {
    if (value === undefined || value === null) continue;
    if (name === 'on') for (const [type, listener] of Object.entries(value)) element.addEventListener(type, listener);
    else if (name === 'class' || name === 'for' || name === 'role' || name.includes('-')) element.setAttribute(name, value);
    else element[name] = value;
  }
  element.append(...children.flat().filter((child) => child !== null && child !== undefined));
  return element;
}

const paths = {
  microphone: 'M12 15a3.500 3.500 0 0 0 3.500-3.500v-5a3.500 3.500 0 0 0-7 0v5A3.500 3.500 0 0 0 12 15zM5 11.500a7 7 0 0 0 14 0M12 18.500V22',
  camera: 'M3 7.500A1.500 1.500 0 0 1 4.500 6h9A1.500 1.500 0 0 1 15 7.500v9a1.500 1.500 0 0 1-1.500 1.500h-9A1.500 1.500 0 0 1 3 16.500zM15 10.500l6-3.500v10l-6-3.500',
  screen: 'M3 5h18v11H3zM8 20h8M12 16v4',
  chat: 'M4 5h16v11h-9l-5 4v-4H4z',
  people: 'M9 11a3.500 3.500 0 1 0 0-7 3.500 3.500 0 0 0 0 7zM2.500 20c0-3.500 3-6 6.500-6s6.500 2.500 6.500 6M16 4.500a3.500 3.500 0 0 1 0 6M18 14.500c2 .8 3.500 3 3.500 5.500',
  details: 'M4 20v-4M9 20v-8M14 20V9M19 20V4',
  settings: 'M4 7h10M18 7h2M4 17h2M10 17h10M16 5v4M8 15v4',
  leave: 'M3 15c5-5 13-5 18 0l-2.500 2.500-3.500-1.500v-3c-2-.7-4-.7-6 0v3l-3.500 1.500z',
  close: 'M6 6l12 12M18 6L6 18',
  file: 'M18 11l-6.500 6.500a3.500 3.500 0 0 1-5-5L14 5a2.300 2.300 0 0 1 3.300 3.300L10 15.500',
  pin: 'M9 4h6l-.8 6 3.300 3.500h-11L9.800 10zM12 13.500V20',
  link: 'M10 14a4 4 0 0 0 5.700 0l3.600-3.600a4 4 0 0 0-5.700-5.700L12 6.300M14 10a4 4 0 0 0-5.700 0l-3.600 3.600a4 4 0 0 0 5.700 5.700l1.600-1.600',
  send: 'M4 12L20 4l-4 16-4-7z',
};

/** A line drawing of 24 by 24 in the colour of the text. */
export function icon(name) {
  const svg = document.createElementNS('http://www.w3.org/2000/svg', 'svg');
  svg.setAttribute('viewBox', '0 0 24 24');
  svg.setAttribute('aria-hidden', 'true');
  svg.setAttribute('class', 'icon');
  for (const d of [paths[name], 'M4 4l16 16']) {
    const path = document.createElementNS(svg.namespaceURI, 'path');
    path.setAttribute('d', d);
    if (d !== paths[name]) path.setAttribute('class', 'slash');
    svg.append(path);
  }
  return svg;
}

/** Says something to screen readers: soon, or at once. */
export function announce(text, urgency = 'polite') {
  const region = document.getElementById(urgency);
  region.textContent = '';
  requestAnimationFrame(() => { region.textContent = text; });
}

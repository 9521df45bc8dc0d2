//! The connection panel: by which way each person is reached, and how well; and what goes to the server.
import { h } from './dom.js';
import { currentLanguage, say, t } from './words.js';

const EVERY_MS = 1500;

export function detailsPanel(room) {
  const body = h('div', { class: 'details' });
  let timer;

  async function draw() {
    const all = await room.stats().catch(() => ({})), number = new Intl.NumberFormat(currentLanguage(), { maximumFractionDigits: 1 });
    const cards = Object.entries(all).map(([id, stats]) => card(id === room.me.id ? t('you', room.me) : room.participants.find((p) => p.id === id)?.name ?? '', stats, number));
    body.replaceChildren(...(cards.length ? cards : [say(h('p', { class: 'quiet' }), 'details.empty')]));
  }

  return {
    element: h('section', {}, say(h('h2'), 'bar.details'), body),
    opened() { draw(); timer = setInterval(draw, EVERY_MS); },
    closed() { clearInterval(timer); },
  };
}

function card(name, stats, number) {
  const { route, local, roundTripMs, sendKbps, receiveKbps, lossPercent, tracks } = stats;
  const path = t(`details.${route}`) + (local ? ` (${[local.type, local.relayProtocol ?? local.protocol].join(', ')})` : '');
  const pictures = tracks.filter((track) => track.kind === 'video' && track.width).map((track) => `${track.direction === 'send' ? '↑' : '↓'} ${[track.codec, track.rid].filter(Boolean).join(' ')} ${track.width}×${track.height} ${number.format(track.framesPerSecond ?? 0)} fps`);
  const rows = [
    ['details.route', path],
    ['details.roundTrip', roundTripMs === undefined ? '–' : `${number.format(roundTripMs)} ms`],
    ['details.rates', `${number.format(sendKbps)} / ${number.format(receiveKbps)} kbit/s`],
    ['details.loss', `${number.format(lossPercent)} %`],
    ...pictures.map((picture) => ['details.video', picture]),
  ];
  return h('article', { class: 'box', 'data-route': route }, h('h3', {}, name),
    h('dl', {}, rows.flatMap(([key, value]) => [say(h('dt'), key), h('dd', {}, value)])));
}

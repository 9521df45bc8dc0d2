//! In a room: tiles, controls and panels kept in step with what the SDK's room says.
import { announce, h, icon } from './dom.js';
import { explain, say, sayAgain, t } from './words.js';
import { recall, remember } from './store.js';
import { Stage } from './stage.js';
import { Tile } from './tiles.js';
import { qualities, wishes } from './wishes.js';
import { announcements } from './announcements.js';
import { controls } from './controls.js';
import { chatPanel } from './chat.js';
import { peoplePanel } from './people.js';
import { detailsPanel } from './details.js';
import { listenAsWished, settingsPanel } from './callsettings.js';

export function call(room, devices, ended) {
  const stage = new Stage(() => look()), tiles = new Map(), stops = [];
  /** By participant, how loud we hear them, in percent. */
  const volumes = new Map();
  let quality = qualities.includes(recall('quality')) ? recall('quality') : 'auto';
  const banner = h('p', { class: 'banner', role: 'status', hidden: true });
  const sound = say(h('button', { class: 'primary sound', hidden: true, on: { click: playAll } }), 'call.sound');
  const mix = h('audio', { id: 'mix', autoplay: true });
  const played = announcements(() => { sound.hidden = false; });
  const alone = say(h('p', { class: 'alone' }), 'call.alone');
  const toast = h('p', { class: 'toast', role: 'alert', hidden: true });
  const panels = { chat: chatPanel(room, tell), people: peoplePanel(room, { of: (id) => volumes.get(id) ?? 100, set: setVolume }), details: detailsPanel(room), settings: settingsPanel(room, devices, tell, { get: () => quality, set: chooseQuality }) };
  const aside = h('aside', { class: 'panel', hidden: true });
  const bar = controls(room, devices, { open, tell, pin: (number) => stage.pinNumber(number) });
  const invite = h('button', { class: 'quiet', id: 'invite', on: { click: copyLink } }, icon('link'), say(h('span'), 'call.invite'));
  const element = h('div', { class: 'call', 'data-you': room.me.id },
    h('header', {}, h('h1', { tabIndex: -1 }, room.state.name), invite),
    h('main', {}, stage.element, alone, played.element, sound, banner, toast), aside, bar.element, mix);
  let shown = null, toastTimer;

  function open(name) {
    if (shown) panels[shown].closed?.();
    shown = shown === name ? null : name;
    aside.hidden = shown === null;
    aside.replaceChildren(...(shown ? [panels[shown].element] : []));
    element.classList.toggle('with-panel', shown !== null);
    if (shown) { sayAgain(aside); panels[shown].opened?.(); }
    bar.panel(shown);
  }

  /** A sentence that goes away by itself. */
  function tell(text) {
    toast.textContent = text;
    toast.hidden = false;
    clearTimeout(toastTimer);
    toastTimer = setTimeout(() => { toast.hidden = true; }, 5000);
  }

  async function copyLink() {
    const link = new URL(location.pathname, location.href).href;
    try { await navigator.clipboard.writeText(link); tell(t('call.copied')); } catch { tell(link); }
  }

  function playAll() {
    sound.hidden = true;
    for (const tile of tiles.values()) tile.video.play().catch(() => {});
    mix.play().catch(() => {});
    played.play();
  }

  /** Everybody else in one stream, where that is how we hear. */
  function hearMix(stream) {
    mix.srcObject = stream;
    if (stream) mix.play().catch((error) => { if (error.name === 'NotAllowedError') sound.hidden = false; });
  }

  /** By themselves they are as loud as their tile plays them, in a mix as the server is asked for; that once it is `settled`. */
  function setVolume(id, percent, settled) {
    volumes.set(id, percent);
    for (const tile of tiles.values()) if (tile.participant === id) tile.volume(percent);
    if (settled) room.listenAs({ volumes: { [id]: percent } });
  }

  function chooseQuality(wanted) {
    quality = wanted;
    remember('quality', quality);
    look();
  }

  /** Asks for what is on the screen and nothing else; for nothing while the page is not seen. */
  function look() {
    const seen = stage.seen().map((tile) => (document.visibilityState === 'visible' ? tile : { ...tile, height: 0 }));
    room.view(wishes(seen, { quality, speakers: room.speakers.map(({ participant }) => participant) }));
  }

  /** Marks the pictures that do not come as they should. */
  function grade({ tracks }) {
    const grades = new Map(tracks.map((track) => [track.track, track.quality]));
    for (const tile of tiles.values()) {
      const published = tile.mine ? undefined : room.publishedBy(tile.participant).find(({ source }) => source === tile.source);
      tile.grade(grades.get(published?.id) ?? 'good');
    }
  }

  function tileOf(participant, source, mine = false) {
    const key = `${participant} ${source}`;
    let tile = tiles.get(key);
    if (!tile) {
      tiles.set(key, tile = new Tile({ participant, source, mine, pin: () => stage.pin(tile) }));
      tile.volume(volumes.get(participant) ?? 100);
      stage.add(tile);
    }
    return tile;
  }

  function removeTile(key) {
    const tile = tiles.get(key);
    tiles.delete(key);
    if (tile) stage.remove(tile);
  }

  /** Brings the tiles of one person up to date. */
  function draw(participant) {
    const { id, name, muted, away } = participant, connection = room.connectionState(id), tracks = room.tracksOf(id);
    const of = (...sources) => tracks.filter(({ source }) => sources.includes(source)).map(({ track }) => track);
    const person = tileOf(id, 'camera');
    person.describe({ name, muted, away, connection });
    person.show(of('camera', 'microphone'), () => { sound.hidden = false; });
    // It comes once there is a tile to show it on.
    if (!room.publishedBy(id).some(({ source }) => source === 'screen')) return removeTile(`${id} screen`);
    const screen = tileOf(id, 'screen');
    screen.describe({ name, key: 'tile.screen' });
    screen.show(of('screen', 'screen-audio'), () => { sound.hidden = false; });
  }

  function drawMe() {
    const { id, name, muted } = room.me;
    const of = (source) => room.publications.filter((p) => p.source === source && p.track).map((p) => p.track);
    const me = tileOf(id, 'camera', true);
    me.element.classList.add('me');
    me.describe({ name, key: 'you', muted });
    me.show(of('camera'));
    if (of('screen').length === 0) return removeTile(`${id} screen`);
    const screen = tileOf(id, 'screen', true);
    screen.describe({ name, key: 'tile.screen' });
    screen.show(of('screen'));
  }

  function drawAll() {
    const here = new Set([room.me.id, ...room.participants.map(({ id }) => id)]);
    for (const key of [...tiles.keys()]) if (!here.has(key.split(' ')[0])) removeTile(key);
    element.dataset.you = room.me.id;
    drawMe();
    room.participants.forEach(draw);
    alone.hidden = room.participants.length > 0;
    panels.people.draw();
  }
  const drawOne = (id) => { const participant = room.participants.find((p) => p.id === id); if (participant) draw(participant); };

  const events = {
    participantJoined: (participant) => { drawAll(); announce(t('came', participant)); },
    participantLeft: ({ participant }) => { drawAll(); announce(t('went', participant)); },
    participantUpdated: drawAll,
    tracks: ({ participant }) => drawOne(participant),
    track: ({ participant }) => drawOne(participant),
    trackEnded: ({ participant }) => drawOne(participant),
    connection: ({ participant }) => drawOne(participant),
    speakers: (speakers) => stage.speaking(speakers.map(({ participant }) => participant)),
    reception: grade,
    published: () => { drawMe(); bar.draw(); },
    publicationChanged: () => { drawMe(); bar.draw(); },
    unpublished: () => { drawMe(); bar.draw(); },
    message: () => bar.unread(shown !== 'chat'),
    file: () => bar.unread(shown !== 'chat'),
    mutedBy: ({ from }) => { const by = room.participants.find(({ id }) => id === from); const text = t('muted.by', { name: by?.name ?? '' }); tell(text); announce(text, 'assertive'); },
    state: (state) => {
      banner.hidden = state === 'connected';
      say(banner, state === 'connected' ? 'call.reconnected' : 'call.reconnecting');
      element.dataset.state = state;
      if (state === 'connected') drawAll();
    },
    mix: hearMix,
    announcement: played.draw,
    announced: played.hear,
    talkingMuted: () => tell(t('call.talkingMuted')),
    refused: (error) => tell(explain(error)),
    closed: ended,
  };
  for (const [type, listener] of Object.entries(events)) stops.push(room.on(type, listener));
  document.addEventListener('visibilitychange', look);
  const lock = wakeLock();
  bar.start();
  listenAsWished(room);
  room.announcements.forEach(played.draw);
  played.hear(room.announced);
  drawAll();
  return {
    element,
    close: () => { stops.forEach((stop) => stop()); document.removeEventListener('visibilitychange', look); stage.close(); bar.stop(); Object.values(panels).forEach((panel) => panel.closed?.()); lock(); clearTimeout(toastTimer); room.leave(); devices.stop(); },
  };
}

/** Keeps a phone's screen on while in a call, where the browser can. */
function wakeLock() {
  let lock = null, over = false;
  const take = async () => {
    if (over || document.visibilityState !== 'visible') return;
    lock = await navigator.wakeLock?.request('screen').catch(() => null);
    if (over) lock?.release();
  };
  document.addEventListener('visibilitychange', take);
  take();
  return () => { over = true; document.removeEventListener('visibilitychange', take); lock?.release(); };
}

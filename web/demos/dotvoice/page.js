//! DotVoice's protocol from a client's side: a token, `join`, and with `configure` an offer that is answered once.
import { connect, log, whenStarted } from '../shared.js';

/** @returns {HTMLInputElement} */
const field = (id) => document.getElementById(id);

/** A test token, and what is in it: clients read the token, they do not check it. */
async function token(room, user) {
  const body = new URLSearchParams({ appkey: 'demo', app_secret: 'demo', room, user_id: user });
  const reply = await (await fetch('/api/generateTestToken', { method: 'POST', body })).json();
  log('POST /api/generateTestToken ->', reply);
  const payload = reply.token.split('.')[1].replaceAll('-', '+').replaceAll('_', '/');
  return { text: reply.token, ...JSON.parse(atob(payload)) };
}

whenStarted(async ({ room, role: user }) => {
  const stream = await navigator.mediaDevices.getUserMedia({ audio: true });
  const { text, wsUrl, app_key: appKey } = await token(room, user);
  const socket = new WebSocket(`${wsUrl}?token=${text}`), candidates = [];
  let connectionId = '', pc, timer;
  const send = (type, more = {}) => {
    const message = { type, from: user, connectionId, ...more };
    log('->', message);
    socket.send(JSON.stringify(message));
  };
  const wishes = () => ({ muted: field('muted').checked, quality: Number(field('quality').value), volume: Number(field('volume').value) });

  socket.onopen = () => {
    send('join', { data: { app_key: appKey, room, user_id: user, token: text, reconnect: false } });
    // At once, and every 20 s: whoever says nothing is gone.
    const alive = () => socket.send(JSON.stringify({ type: 'keeplive', from: user }));
    alive();
    timer = setInterval(alive, 20_000);
  };
  socket.onclose = ({ code }) => { clearInterval(timer); log('closed:', code); };
  socket.onmessage = async ({ data }) => {
    log('<-', data);
    const message = JSON.parse(data);
    ({ connectionId } = message);
    if (message.type === 'joined') {
      const servers = message.data.iceServers.map(({ url, username, credential }) => ({ urls: url, username, credential }));
      pc = connect(stream, servers, (candidate) => candidates.push(candidate));
      // All candidates in one message, once there are no more; the server's are in its answer.
      pc.onicegatheringstatechange = () => {
        if (pc.iceGatheringState === 'complete') send('candidates', { target: user, data: { candidates } });
      };
      await pc.setLocalDescription();
      send('configure', { data: wishes(), jsep: pc.localDescription });
    } else if (message.jsep) {
      await pc.setRemoteDescription(message.jsep);
    }
  };
  for (const id of ['muted', 'quality', 'volume']) field(id).onchange = () => send('configure', { data: wishes() });

  return () => { socket.close(); pc?.close(); };
});

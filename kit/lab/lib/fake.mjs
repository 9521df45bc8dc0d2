//! A small stand-in for the server that a test can make drop, refuse and forget, to see what the SDK then does.
import http from 'node:http';
import { randomBytes } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { WebSocket, WebSocketServer } from 'ws';

export { WebSocket };

const web = path.resolve(import.meta.dirname, '../../../web');
const types = { '.html': 'text/html', '.js': 'text/javascript', '.css': 'text/css', '.svg': 'image/svg+xml' };
const id = (prefix) => prefix + randomBytes(6).toString('hex');
const permissions = ['publish', 'subscribe', 'message', 'moderate'];

/**
 * Rooms, counting and resuming as docs/PROTOCOL.md has them; limits, tokens and roles it does not know.
 * `refuse(message)` may return a code with which to answer instead; `heartbeatSeconds`, `iceTtlSeconds` and
 * `iceServers(nth time)` are what clients are told.
 */
export async function startFake({ heartbeatSeconds = 10, iceTtlSeconds = 3600, iceServers = () => [], refuse = () => null } = {}) {
  const sessions = new Map(), seen = [], pingWatchers = new Set();
  let asked = 0;
  const inRoom = (room) => [...sessions.values()].filter((s) => s.room === room && s.seated);
  const say = (session, message) => {
    session.sent.push(message);
    session.socket?.send(JSON.stringify(message));
  };
  const others = (session, message) => { for (const other of inRoom(session.room)) if (other !== session) say(other, message); };
  const joined = (session, resumed) => session.socket.send(JSON.stringify({
    type: 'joined', version: 1, resumed, you: session.state.id,
    resume: { token: session.token, window_seconds: 30, received: session.received },
    room: { namespace: 'default', name: session.room, topology: 'p2p', member_limit: 16, locked: false },
    participants: inRoom(session.room).map((s) => s.state),
    ice_servers: iceServers(++asked), ice_ttl_seconds: iceTtlSeconds, heartbeat_seconds: heartbeatSeconds,
  }));
  const resume = (socket, { token, received }) => {
    const session = [...sessions.values()].find((s) => s.token === token);
    if (!session) {
      socket.send(JSON.stringify({ type: 'refused', of: 'join', code: 'session_lost', message: 'nothing to resume' }));
      return void socket.close(4000);
    }
    session.socket = socket; session.token = id('r_');
    joined(session, true);
    for (const message of session.sent.slice(received)) socket.send(JSON.stringify(message));
    return session;
  };
  const enter = (socket, message) => {
    if (message.resume) return resume(socket, message.resume);
    const guest = JSON.parse(Buffer.from(message.token, 'base64url'));
    const before = [...sessions.values()].find((s) => s.state.identity === guest.identity);
    if (before) go(before, 'replaced');
    const session = {
      socket, room: guest.room, token: id('r_'), received: 0, sent: [], seated: true,
      state: { id: id('p_'), identity: guest.identity, name: guest.name, role: 'moderator', permissions, muted: { audio: false, video: false }, away: false },
    };
    sessions.set(session.state.id, session);
    joined(session, false);
    others(session, { type: 'participant_joined', participant: session.state });
    return session;
  };
  const go = (session, reason) => {
    others(session, { type: 'participant_left', participant: session.state.id, reason });
    sessions.delete(session.state.id);
    session.socket?.send(JSON.stringify({ type: 'left', reason }));
    session.socket?.close();
  };
  const serve = (session, message) => {
    if (message.type === 'ping') for (const watch of pingWatchers) watch(message, session);
    if (message.type === 'ping') return session.socket.send(JSON.stringify({ type: 'pong', received: session.received }));
    session.received++;
    seen.push(message);
    const code = refuse(message);
    if (code) return say(session, { type: 'refused', of: message.type, code, message: code });
    const from = session.state.id, other = sessions.get(message.to ?? message.participant);
    switch (message.type) {
      case 'signal': return other && say(other, { type: 'signal', from, data: message.data });
      case 'message': return others(session, { type: 'message', from, data: message.data });
      case 'update':
        session.state = { ...session.state, ...('name' in message && { name: message.name }), ...('muted' in message && { muted: message.muted }) };
        return others(session, { type: 'participant_updated', participant: session.state });
      case 'mute': return other && say(other, { ...message, from });
      case 'kick': return other && go(other, 'kicked');
      case 'ice_servers': return say(session, { type: 'ice_servers', ice_servers: iceServers(++asked), ice_ttl_seconds: iceTtlSeconds });
      case 'leave': return go(session, 'left');
      default: return say(session, { type: 'refused', of: message.type, code: 'unknown_type', message: 'unknown' });
    }
  };
  const server = http.createServer(async (request, response) => {
    const { pathname } = new URL(request.url, 'http://x');
    if (pathname === '/v1/join') {
      const body = JSON.parse(Buffer.concat(await request.toArray()) || '{}');
      const bearer = request.headers.authorization?.replace('Bearer ', '');
      const token = bearer ?? Buffer.from(JSON.stringify({ identity: id('guest-'), name: body.name ?? 'Guest', room: body.room ?? 'lobby' })).toString('base64url');
      return response.end(JSON.stringify({ token, signalling_url: `ws://${request.headers.host}/v1/signal`, participants: [] }));
    }
    const file = path.join(web, path.normalize(pathname === '/' || pathname.startsWith('/r/') ? '/index.html' : pathname));
    try {
      const content = await readFile(file);
      response.writeHead(200, { 'content-type': types[path.extname(file)] ?? 'text/plain', 'cache-control': 'no-store', 'content-security-policy': "default-src 'self'; connect-src 'self' ws: wss:; media-src 'self' blob:; img-src 'self' blob: data:" }).end(content);
    } catch { response.writeHead(404).end('not found'); }
  });
  const sockets = new WebSocketServer({ server });
  sockets.on('connection', (socket) => {
    let session;
    socket.on('message', (text) => {
      const message = JSON.parse(text);
      if (session) return serve(session, message);
      const code = refuse(message);
      if (code) { socket.send(JSON.stringify({ type: 'refused', of: 'join', code, message: code })); return socket.close(4000); }
      session = enter(socket, message);
    });
    socket.on('close', () => { if (session?.socket === socket) session.socket = null; });
  });
  await new Promise((done) => server.listen(0, '127.0.0.1', done));
  const url = `http://127.0.0.1:${server.address().port}/`;
  return {
    url, seen, sessions,
    /** Resolves at a ping that is as wanted. */
    pinged: (wanted) => new Promise((done) => {
      const watch = (ping, session) => { if (wanted(ping, session)) { pingWatchers.delete(watch); done(); } };
      pingWatchers.add(watch);
    }),
    /** Cuts every connection without a word; sessions stay. */
    cut: () => { for (const socket of sockets.clients) socket.terminate(); },
    /** Forgets every session, as a server does that was started again. */
    forget: () => sessions.clear(),
    stop: () => new Promise((done) => { for (const s of sockets.clients) s.terminate(); server.closeAllConnections(); server.close(done); }),
  };
}

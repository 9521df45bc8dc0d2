//! The codelab's protocol from the page's side: events of Socket.IO, and in `message` what the two pages tell each other.
import { camera, connect, log, whenStarted } from '../shared.js';

/** The `io` of /socket.io/socket.io.js. @type {(options?: object) => any} */
const { io } = globalThis;

whenStarted(async ({ room }) => {
  const socket = io({ transports: new URLSearchParams(location.search).get('transports')?.split(',') });
  let stream, pc, calls = false, complete = false;
  const emit = (event, what) => { log('->', event, what); socket.emit(event, what); };

  // The first in the room hears `created` and makes the offer; the second hears `joined` and waits for it.
  socket.on('created', () => { calls = true; });
  socket.on('joined', () => { calls = false; complete = true; });
  socket.on('join', () => { complete = true; });
  socket.on('full', () => log('the room is full'));
  for (const event of ['created', 'joined', 'join', 'ready', 'full', 'bye']) socket.on(event, (...what) => log('<-', event, what));
  socket.on('log', ([, ...lines]) => log('server:', ...lines));

  // Once there are two, and both have said that they have a camera, the call begins.
  const begin = async () => {
    if (pc || !stream || !complete) return;
    pc = connect(stream, [], ({ candidate, sdpMid, sdpMLineIndex }) => emit('message', { type: 'candidate', label: sdpMLineIndex, id: sdpMid, candidate }));
    if (!calls) return;
    await pc.setLocalDescription();
    emit('message', { type: 'offer', sdp: pc.localDescription.sdp });
  };
  const end = () => { pc?.close(); pc = undefined; };

  let work = Promise.resolve();
  socket.on('message', (message) => {
    log('<- message', message);
    work = work.then(async () => {
      if (message === 'got user media') await begin();
      else if (message === 'bye') end();
      else if (message.type === 'offer' || message.type === 'answer') {
        await begin();
        await pc.setRemoteDescription(message);
        if (message.type === 'answer') return;
        await pc.setLocalDescription();
        emit('message', { type: 'answer', sdp: pc.localDescription.sdp });
      } else if (message.type === 'candidate') {
        await pc?.addIceCandidate({ candidate: message.candidate, sdpMid: message.id, sdpMLineIndex: message.label });
      }
    }).catch((error) => log('failed:', String(error)));
  });

  emit('create or join', room);
  stream = await camera();
  emit('message', 'got user media');
  if (calls) await begin();

  addEventListener('pagehide', () => socket.emit('message', 'bye'));
  return () => {
    emit('message', 'bye');
    socket.disconnect();
    end();
  };
});

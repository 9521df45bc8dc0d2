//! The protocol of signaling-devices: one WebSocket, whose path is the device's code; the browser calls, the device answers.
import { camera, connect, log, whenStarted } from '../shared.js';

whenStarted(async ({ room: code, role }) => {
  const stream = await camera(), calls = role === 'pc';
  const socket = new WebSocket(`${location.origin.replace(/^http/, 'ws')}${code}?${role}`);
  const send = (message) => { log('->', message); socket.send(JSON.stringify(message)); };
  let pc, work = Promise.resolve(), timer;
  const begin = () => {
    pc?.close();
    pc = connect(stream, [], ({ candidate, sdpMid, sdpMLineIndex }) => send({ type: 'candidate', id: sdpMid, mlineindex: sdpMLineIndex, candidate }));
  };

  socket.onopen = async () => {
    // Whoever says this once must go on saying it.
    if (!calls) timer = setInterval(() => socket.send('{"type":"keepAlive"}'), 10_000);
    if (!calls) return log('waiting for a call');
    begin();
    await pc.setLocalDescription();
    send({ type: 'offer', sdp: pc.localDescription.sdp });
  };
  socket.onclose = ({ code: why }) => { clearInterval(timer); log('closed:', why); };
  socket.onmessage = ({ data }) => {
    log('<-', data);
    const message = JSON.parse(data);
    work = work.then(async () => {
      if (message.type === 'offer') {
        // Another session is another call; the browser of the last one may have gone without a word.
        const session = (sdp) => /^o=.*? (\d+)/m.exec(sdp ?? '')?.[1];
        if (!pc || session(pc.remoteDescription?.sdp) !== session(message.sdp)) begin();
        await pc.setRemoteDescription(message);
        await pc.setLocalDescription();
        send({ type: 'answer', sdp: pc.localDescription.sdp });
      } else if (message.type === 'answer') {
        await pc.setRemoteDescription(message);
      } else if (message.type === 'candidate') {
        await pc?.addIceCandidate({ candidate: message.candidate, sdpMid: message.id, sdpMLineIndex: message.mlineindex });
      }
    }).catch((error) => log('failed:', String(error)));
  };

  return () => { socket.close(); pc?.close(); };
});

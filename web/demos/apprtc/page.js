//! AppRTC's protocol from a client's side: join, ask for ICE servers, register with Collider, then offer or answer.
import { camera, connect, log, whenStarted } from '../shared.js';

/** Asks the room server; its answers are JSON whatever their type says. */
async function ask(path, body = '') {
  const answer = await (await fetch(path, { method: 'POST', body })).text();
  log('POST', path, body, '->', answer);
  return answer && JSON.parse(answer);
}

whenStarted(async ({ room }) => {
  const stream = await camera();
  const { result, params } = await ask(`/join/${room}${location.search}`);
  if (result !== 'SUCCESS') return log(result === 'FULL' ? 'the room is full' : 'not let in:', result);
  const { client_id: me, wss_url: wssUrl, wss_post_url: wssPostUrl, ice_server_url: iceServerUrl } = params;
  let initiator = params.is_initiator === 'true', pc;
  const { iceServers } = await (await fetch(iceServerUrl, { method: 'POST' })).json();

  const socket = new WebSocket(wssUrl);
  await new Promise((opened, failed) => { socket.onopen = opened; socket.onerror = failed; });
  socket.send(JSON.stringify({ cmd: 'register', roomid: room, clientid: me }));

  // Who was first says everything by POST, so that it is kept for the one who comes; the other one over the WebSocket.
  const say = (message) => {
    const text = JSON.stringify(message);
    if (initiator) return ask(`/message/${room}/${me}`, text);
    log('-> send', text);
    socket.send(JSON.stringify({ cmd: 'send', msg: text }));
  };
  const begin = async () => {
    pc = connect(stream, iceServers, ({ candidate, sdpMid, sdpMLineIndex }) => say({ type: 'candidate', label: sdpMLineIndex, id: sdpMid, candidate }));
    if (!initiator) return;
    await pc.setLocalDescription();
    await say({ type: 'offer', sdp: pc.localDescription.sdp });
  };
  const receive = async (message) => {
    if (message.type === 'offer' || message.type === 'answer') {
      await pc.setRemoteDescription(message);
      if (message.type === 'answer') return;
      await pc.setLocalDescription();
      say({ type: 'answer', sdp: pc.localDescription.sdp });
    } else if (message.type === 'candidate') {
      await pc.addIceCandidate({ candidate: message.candidate, sdpMid: message.id, sdpMLineIndex: message.label });
    } else if (message.type === 'bye') {
      // The one who is left behind makes the offer for whoever comes next.
      pc.close();
      initiator = true;
      await begin();
    }
  };

  let work = begin();
  const queue = (text) => {
    log('<-', text);
    work = work.then(() => receive(JSON.parse(text))).catch((error) => log('failed:', String(error)));
  };
  params.messages.forEach(queue);
  socket.onmessage = ({ data }) => {
    const { msg, error } = JSON.parse(data);
    if (error) log('Collider:', error); else queue(msg);
  };

  return async () => {
    await ask(`/leave/${room}/${me}`);
    socket.send(JSON.stringify({ cmd: 'send', msg: '{"type":"bye"}' }));
    socket.close();
    await fetch(`${wssPostUrl}/${room}/${me}`, { method: 'DELETE' });
    pc.close();
  };
});

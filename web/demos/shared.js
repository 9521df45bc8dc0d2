//! What the pages of all dialects share: the form, the camera, the log. Nothing here is about a protocol.

const at = (id) => document.getElementById(id);

export const log = (...what) => {
  const line = what.map((one) => (typeof one === 'string' ? one : JSON.stringify(one))).join(' ');
  at('log').textContent += `${line.length > 200 ? `${line.slice(0, 200)}...` : line}\n`;
};

/** The camera and the microphone, shown on the page. */
export async function camera() {
  const stream = await navigator.mediaDevices.getUserMedia({ audio: true, video: { width: 320, height: 240 } });
  at('local').srcObject = stream;
  return stream;
}

/** A connection that sends the stream and shows what it receives; candidates go to `tell`. */
export function connect(stream, iceServers, tell) {
  const pc = new RTCPeerConnection({ iceServers }), received = new MediaStream();
  for (const track of stream.getTracks()) pc.addTrack(track, stream);
  // One stream of our own, since not everybody sends voice and face in one.
  pc.ontrack = ({ track }) => {
    received.addTrack(track);
    if (at('remote').srcObject !== received) at('remote').srcObject = received;
  };
  pc.onicecandidate = ({ candidate }) => { if (candidate?.candidate) tell(candidate); };
  pc.onconnectionstatechange = () => log('connection:', pc.connectionState);
  return pc;
}

/** Starts with the form's fields, or at once with what is behind the # of the link. `start` gives what hangs up. */
export function whenStarted(start) {
  let hangUp;
  const begin = async (fields) => {
    await (await hangUp)?.();
    hangUp = start(fields).catch((error) => log('failed:', String(error)));
  };
  at('form').onsubmit = (event) => {
    event.preventDefault();
    begin({ room: at('room').value, role: at('role')?.value });
  };
  at('hangup').onclick = async () => {
    const over = hangUp;
    hangUp = undefined;
    await (await over)?.();
    at('remote').srcObject = null;
    log('hung up');
  };
  const [room, role] = decodeURIComponent(location.hash.slice(1)).split('|');
  if (!room) return;
  at('room').value = room;
  if (role) at('role').value = role;
  begin({ room, role });
}

//! What getStats means for people: direct or relayed, round trip, bit rates, loss, and each track.

/**
 * @typedef {object} TrackStats
 * @property {string} mid
 * @property {string} [rid]  which encoding of several
 * @property {'audio' | 'video'} kind
 * @property {'send' | 'receive'} direction
 * @property {string} codec  such as `VP8`
 * @property {number} kbps
 * @property {number} [lossPercent]  receive only, since the last look
 * @property {number} [width]
 * @property {number} [height]
 * @property {number} [framesPerSecond]
 * @property {number} [frames]  encoded or decoded so far
 *
 * @typedef {object} Candidate
 * @property {string} type  host, srflx, prflx or relay
 * @property {string} protocol
 * @property {string} address
 * @property {number} port
 * @property {string} [relayProtocol]  how we talk to the TURN server: udp, tcp or tls
 * @property {string} [url]  of the server that gave it
 *
 * @typedef {object} ConnectionStats
 * @property {'direct' | 'server' | 'relay' | 'none'} route  to each other, to the media server, or through TURN
 * @property {Candidate} [local]
 * @property {Candidate} [remote]
 * @property {number} [roundTripMs]
 * @property {number} sendKbps
 * @property {number} receiveKbps
 * @property {number} lossPercent  of what we receive, since the last look
 * @property {TrackStats[]} tracks
 */

/** @param {any} c @returns {Candidate | undefined} */
const candidate = (c) => c && {
  type: c.candidateType, protocol: c.protocol, address: c.address ?? c.ip ?? '', port: c.port, relayProtocol: c.relayProtocol, url: c.url,
};

/** Looks at one connection again and again; rates are since the look before. */
export class StatsReader {
  #pc;
  /** @type {Map<string, any>} */ #before = new Map();

  /** @param {RTCPeerConnection} pc */
  constructor(pc) { this.#pc = pc; }

  /** @returns {Promise<ConnectionStats>} */
  async read() {
    /** @type {Map<string, any>} */
    const report = new Map(/** @type {any} */ (await this.#pc.getStats()));
    const all = [...report.values()];
    const tracks = all.filter((s) => s.type === 'inbound-rtp' || s.type === 'outbound-rtp').map((s) => this.#track(s, report));
    const pair = selectedPair(all, report);
    const local = candidate(report.get(pair?.localCandidateId)), remote = candidate(report.get(pair?.remoteCandidateId));
    const lost = this.#lossOf(all.filter((s) => s.type === 'inbound-rtp'));
    const sendKbps = this.#kbps(pair, 'bytesSent'), receiveKbps = this.#kbps(pair, 'bytesReceived');
    this.#before = report;
    return {
      route: !local ? 'none' : local.type === 'relay' || remote?.type === 'relay' ? 'relay' : 'direct',
      local, remote, sendKbps, receiveKbps, lossPercent: lost, tracks,
      roundTripMs: pair?.currentRoundTripTime === undefined ? undefined : Math.round(pair.currentRoundTripTime * 1000),
    };
  }

  /** @param {any} s @param {Map<string, any>} report @returns {TrackStats} */
  #track(s, report) {
    const receives = s.type === 'inbound-rtp';
    return {
      mid: s.mid ?? '', ...(s.rid && { rid: s.rid }), kind: s.kind, direction: receives ? 'receive' : 'send',
      codec: (report.get(s.codecId)?.mimeType ?? '').replace(/^.*\//, ''),
      kbps: this.#kbps(s, receives ? 'bytesReceived' : 'bytesSent'),
      lossPercent: receives ? this.#lossOf([s]) : undefined,
      width: s.frameWidth, height: s.frameHeight, framesPerSecond: s.framesPerSecond,
      frames: receives ? s.framesDecoded : s.framesEncoded,
    };
  }

  /** @param {any} s @param {string} field */
  #kbps(s, field) {
    const was = this.#before.get(s?.id);
    if (!was || s.timestamp <= was.timestamp) return 0;
    return Math.max(0, Math.round((s[field] - was[field]) * 8 / (s.timestamp - was.timestamp)));
  }

  /** @param {any[]} inbound */
  #lossOf(inbound) {
    let lost = 0, received = 0;
    for (const s of inbound) {
      const was = this.#before.get(s.id);
      lost += (s.packetsLost ?? 0) - (was?.packetsLost ?? 0);
      received += (s.packetsReceived ?? 0) - (was?.packetsReceived ?? 0);
    }
    return lost <= 0 ? 0 : Math.round(lost * 1000 / (lost + received)) / 10;
  }
}

/** @param {any[]} all @param {Map<string, any>} report */
function selectedPair(all, report) {
  const transport = all.find((s) => s.type === 'transport' && s.selectedCandidatePairId);
  if (transport) return report.get(transport.selectedCandidatePairId);
  return all.find((s) => s.type === 'candidate-pair' && s.selected) // Firefox
    ?? all.find((s) => s.type === 'candidate-pair' && s.nominated && s.state === 'succeeded');
}

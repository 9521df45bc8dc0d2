//! What we change in descriptions.

/** @param {string} sdp */
const sections = (sdp) => sdp.split(/(?=^m=)/m);

/**
 * An answer that asks us for silence suppression in these m= sections: an encoder does as the other side asks.
 * @param {string} sdp @param {Set<string>} mids
 */
export function withSilenceSuppressed(sdp, mids) {
  return sections(sdp).map((section) => {
    const mid = /^a=mid:(\S+)/m.exec(section)?.[1], opus = /^a=rtpmap:(\d+) opus\//im.exec(section)?.[1];
    if (mid === undefined || !mids.has(mid) || opus === undefined || /usedtx=/.test(section)) return section;
    return section.replace(new RegExp(`^(a=fmtp:${opus} [^\\r\\n]*)`, 'm'), '$1;usedtx=1');
  }).join('');
}

/**
 * An answer in which the m= sections of one kind say only once what is the same in all of them: with many places it would
 * not fit into a message otherwise.
 * @param {string} sdp
 */
export function slender(sdp) {
  const told = new Set();
  return sections(sdp).map((section) => {
    const kind = /^m=(\S+) (\S+)/.exec(section);
    if (!kind || kind[2] === '0') return section;
    if (!told.has(kind[1])) { told.add(kind[1]); return section; }
    return section.replace(/^a=(?:rtpmap|rtcp-fb|fmtp|extmap|extmap-allow-mixed|rtcp|ssrc|ice-[a-z]+|fingerprint|setup)(?::.*)?\r\n/gm, '');
  }).join('');
}

//! The shapes of docs/PROTOCOL.md and of what the SDK hands out, for the type checker only.

/**
 * @typedef {{audio: boolean, video: boolean}} Muted
 *
 * @typedef {object} ParticipantState  Somebody in the room, as the server tells it.
 * @property {string} id  made by the server, new with each join
 * @property {string} identity  who the token says this is
 * @property {string} name
 * @property {'moderator' | 'speaker' | 'viewer'} role
 * @property {string[]} permissions
 * @property {Muted} muted
 * @property {boolean} away  true while the connection is broken and the seat still held
 *
 * @typedef {object} RoomState
 * @property {string} namespace
 * @property {string} name
 * @property {string} topology
 * @property {number} member_limit
 * @property {boolean} locked
 * @property {boolean} [encrypted]  its people encrypt end to end: nobody can mix them
 *
 * @typedef {object} Joined
 * @property {'joined'} type
 * @property {boolean} resumed
 * @property {string} you
 * @property {{token: string, window_seconds: number, received: number}} resume
 * @property {RoomState} room
 * @property {ParticipantState[]} participants
 * @property {RTCIceServer[]} ice_servers
 * @property {number} ice_ttl_seconds
 * @property {number} [heartbeat_seconds]
 *
 * @typedef {object} Refused
 * @property {'refused'} type
 * @property {string} [of]
 * @property {string} code
 * @property {string} message
 * @property {number} [retry_after_seconds]
 *
 * @typedef {object} SignalData  What two SDKs tell each other inside `signal`.
 * @property {string} [connection]  which RTCPeerConnection this is about; made by whoever offers first
 * @property {RTCSessionDescriptionInit} [description]
 * @property {RTCIceCandidateInit[]} [candidates]
 * @property {Record<string, TrackNote>} [tracks]  by mid: what the sender of this description sends there
 * @property {'ask' | 'yours'} [turn]  the polite side asks to make the next offer; the impolite side lets it
 * @property {true} [forwarded]  what came over this connection comes through the media server now
 *
 * @typedef {{id: string, source: Source}} TrackNote
 * @typedef {'camera' | 'microphone' | 'screen' | 'screen-audio' | string} Source
 *
 * @typedef {object} RemoteTrack
 * @property {string} participant  id of who sends it
 * @property {string} id  the same for all who receive it
 * @property {Source} source
 * @property {'audio' | 'video'} kind
 * @property {MediaStreamTrack} track
 * @property {MediaStream} stream  together with what belongs to it: face and voice, a screen and its sound
 *
 * @typedef {object} PublishedTrack  Something that somebody publishes.
 * @property {string} id
 * @property {Source} source
 * @property {'audio' | 'video'} kind
 * @property {string} [codec]  where it goes through the media server
 * @property {boolean} muted
 * @property {boolean} [shown]  false where it is not received: nobody asked for it, or there is no room for it
 *
 * @typedef {object} Wish  Something that is on our screen: a track (or its id), or what a participant publishes from a source.
 * @property {string | {id: string}} [track]
 * @property {string} [participant]
 * @property {Source} [source]  default `camera`
 * @property {number} height  in pixels of the screen; 0 for not at all
 * @property {number} [priority]  the higher comes first where not all can be had; default 1
 *
 * @typedef {'good' | 'fair' | 'poor'} Quality
 *
 * @typedef {object} Reception  How we receive through the media server.
 * @property {Quality} quality
 * @property {number} estimateKbps  what the path carries
 * @property {number} loss  0 to 1
 * @property {number} roundTripMs
 * @property {{track: string, kbps: number, limitedBy: 'nothing' | 'view' | 'bandwidth', quality: Quality}[]} tracks
 *
 * @typedef {object} Hearing  How we hear, where media goes through the server; what is left out stays as it is.
 * @property {'mixed' | 'separate'} [audio]  all others in one stream, or each in one of their own; default: as the room is set up
 * @property {boolean} [deafened]  nothing at all
 * @property {boolean} [stereo]  the mix in two channels, everybody at their place
 * @property {number} [bitrate]  of the mix, bits a second
 * @property {number} [complexity]  of the mix's encoder: 0 (cheap) to 10
 * @property {Record<string, number>} [volumes]  by participant, in the mix: percent
 *
 * @typedef {object} Announcement  A sound that is played into the room.
 * @property {string} id
 * @property {string} name
 * @property {'started' | 'progress' | 'ended'} state  `progress` comes once a second, and to whoever comes meanwhile
 * @property {number} seconds  what was heard of it
 * @property {number} length  all of it, in seconds
 *
 * @typedef {{participant: string, level: number}} Speaker  `level` in dBov: 0 is the loudest
 *
 * @typedef {object} MediaEvents  What both ways of media tell.
 * @property {RemoteTrack} track
 * @property {RemoteTrack} trackEnded
 * @property {import('./transfer.js').IncomingFile} file
 * @property {{from: string, data: string | ArrayBuffer}} data
 * @property {RTCPeerConnectionState} state
 * @property {{participant: string, tracks: PublishedTrack[]}} tracks
 * @property {Reception} reception
 * @property {Speaker[]} speakers
 * @property {MediaStream | null} mix
 * @property {undefined} talkingMuted
 * @property {Announcement} announcement
 * @property {MediaStream | null} announced
 *
 * @typedef {object} JoinOptions
 * @property {string} [url]  the server's http(s) URL; default: where the page came from
 * @property {string} [token]  a join token; without one a guest is asked for (development mode only)
 * @property {string} [namespace]  guests only; default `default`
 * @property {string} [room]  guests only; default `lobby`
 * @property {string} [name]  the display name
 * @property {boolean} [relayOnly]  send media through TURN only
 * @property {{audio?: number, video?: number}} [slots]  how much may be received at a time where media goes through the server
 * @property {number} [reconnectSeconds]  how long to try again after the connection broke; default 120
 * @property {Storage | null} [storage]  where a guest's token survives a reload; default sessionStorage
 * @property {typeof WebSocket} [WebSocket]  another implementation, for tests and other runtimes
 * @property {typeof fetch} [fetch]
 */
export {};

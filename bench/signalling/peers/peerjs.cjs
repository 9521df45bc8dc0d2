// PeerJS's own signalling server, as its README starts it.
const { PeerServer } = require('peer');
PeerServer({ port: Number(process.argv[2]), path: '/', concurrent_limit: 100000, alive_timeout: 600000 });

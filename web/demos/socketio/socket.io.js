// A small Socket.IO client (Engine.IO 4), for pages that load /socket.io/socket.io.js and have no other.
//   const socket = io();   io(url, { path, query, auth, transports, reconnection })   io.connect is the same
//   socket.on, once, off, emit (the last argument may be a function: the answer), connect, disconnect, id, connected
// Over a WebSocket; over polling where that cannot be opened. Binary data may be anywhere in what is sent.
(() => {
  const isBinary = (value) => value instanceof ArrayBuffer || ArrayBuffer.isView(value);

  /** Takes binary data out of a value, and leaves a mark where it was. */
  function takeOut(value, parts) {
    if (isBinary(value)) { parts.push(value); return { _placeholder: true, num: parts.length - 1 }; }
    if (Array.isArray(value)) return value.map((one) => takeOut(one, parts));
    if (value && typeof value === 'object' && typeof value.toJSON !== 'function') {
      return Object.fromEntries(Object.entries(value).map(([name, one]) => [name, takeOut(one, parts)]));
    }
    return value;
  }

  function putBack(value, parts) {
    if (Array.isArray(value)) return value.map((one) => putBack(one, parts));
    if (!value || typeof value !== 'object') return value;
    if (value._placeholder === true) return parts[value.num];
    return Object.fromEntries(Object.entries(value).map(([name, one]) => [name, putBack(one, parts)]));
  }

  /** Sends and receives Engine.IO packets: texts and binary messages. */
  class WebSocketWay {
    constructor(url, receive, ended) {
      this.socket = new WebSocket(`${url.replace(/^http/, 'ws')}&transport=websocket`);
      this.socket.binaryType = 'arraybuffer';
      this.socket.onmessage = ({ data }) => receive(data);
      this.socket.onclose = () => ended();
    }
    send(packet) { this.socket.send(packet); }
    close() { this.socket.onclose = null; this.socket.close(); }
  }

  class PollingWay {
    constructor(url, receive, ended) {
      Object.assign(this, { url: `${url}&transport=polling`, receive, ended, over: false, queue: [], sending: false });
      this.poll();
    }
    async poll() {
      try {
        while (!this.over) {
          const answer = await fetch(this.url, { cache: 'no-store' });
          if (!answer.ok) throw new Error(String(answer.status));
          for (const packet of (await answer.text()).split('\x1e')) if (packet) this.take(packet);
        }
      } catch { this.fail(); }
    }
    take(packet) {
      if (packet[0] === '0') this.url += `&sid=${JSON.parse(packet.slice(1)).sid}`;
      if (packet[0] !== 'b') return this.receive(packet);
      this.receive(Uint8Array.from(atob(packet.slice(1)), (c) => c.charCodeAt(0)).buffer);
    }
    async send(packet) {
      const bytes = isBinary(packet) && new Uint8Array(packet.buffer ?? packet, packet.byteOffset ?? 0, packet.byteLength);
      this.queue.push(bytes ? `b${btoa(Array.from(bytes, (byte) => String.fromCharCode(byte)).join(''))}` : packet);
      if (this.sending) return;
      this.sending = true;
      try {
        while (this.queue.length) {
          const answer = await fetch(this.url, { method: 'POST', body: this.queue.splice(0).join('\x1e'), headers: { 'content-type': 'text/plain;charset=UTF-8' } });
          if (!answer.ok) throw new Error(String(answer.status));
        }
      } catch { this.fail(); }
      this.sending = false;
    }
    fail() { if (!this.over) { this.over = true; this.ended(); } }
    close() { this.send('1'); this.over = true; }
  }

  class Socket {
    constructor(url, namespace, options) {
      Object.assign(this, { connected: false, id: undefined, namespace, options, listeners: new Map(), acks: new Map(), waiting: [], number: 0, delay: 500 });
      const query = new URLSearchParams({ EIO: '4', ...options.query });
      this.url = `${url}${options.path ?? '/socket.io/'}?${query}`;
      this.ways = (options.transports ?? ['websocket', 'polling']).map((name) => (name === 'polling' ? PollingWay : WebSocketWay));
      this.connect();
    }

    on(event, listener) {
      if (!this.listeners.has(event)) this.listeners.set(event, new Set());
      this.listeners.get(event).add(listener);
      return this;
    }
    once(event, listener) {
      const first = (...args) => { this.off(event, first); listener(...args); };
      return this.on(event, first);
    }
    off(event, listener) {
      if (listener) this.listeners.get(event)?.delete(listener); else this.listeners.delete(event);
      return this;
    }
    #tell(event, ...args) { for (const listener of [...this.listeners.get(event) ?? []]) listener(...args); }

    emit(event, ...args) {
      const ack = typeof args.at(-1) === 'function' ? args.pop() : undefined, id = ack ? this.number++ : '';
      if (ack) this.acks.set(id, ack);
      this.#packet(2, [event, ...args], id);
      return this;
    }

    connect() {
      if (this.way) return this;
      this.wanted = true;
      this.#open(0);
      return this;
    }
    disconnect() {
      this.wanted = false;
      if (this.connected) this.way.send(`41${this.#place()}`);
      this.#close('io client disconnect');
      return this;
    }

    #place() { return this.namespace === '/' ? '' : `${this.namespace},`; }

    #open(which) {
      let opened = false;
      const Way = this.ways[which];
      this.way = new Way(this.url, (data) => {
        opened = true;
        this.#watch();
        if (typeof data === 'string') this.#receive(data); else this.#binary(data);
      }, () => {
        this.way = undefined;
        if (!opened && this.ways[which + 1]) return this.#open(which + 1);
        if (!opened) this.#tell('connect_error', new Error('the server cannot be reached'));
        this.#close('transport close');
      });
    }

    #close(reason) {
      clearTimeout(this.silence);
      this.way?.close();
      this.way = undefined;
      if (this.connected) { this.connected = false; this.id = undefined; this.#tell('disconnect', reason); }
      if (!this.wanted || this.options.reconnection === false || reason === 'io server disconnect') return;
      setTimeout(() => { if (this.wanted) this.connect(); }, this.delay *= Math.min(2, 5000 / this.delay) * (0.8 + 0.2 * Math.random()));
    }

    /** The server pings; when it has not for long enough, it is gone. */
    #watch() {
      clearTimeout(this.silence);
      if (this.patience) this.silence = setTimeout(() => this.#close('ping timeout'), this.patience);
    }

    #receive(packet) {
      if (packet[0] === '0') {
        const { pingInterval, pingTimeout } = JSON.parse(packet.slice(1));
        this.patience = pingInterval + pingTimeout;
        this.way.send(`40${this.#place()}${this.options.auth ? JSON.stringify(this.options.auth) : ''}`);
      }
      if (packet[0] === '1') this.#close('io server disconnect');
      if (packet[0] === '2') this.way.send(`3${packet.slice(1)}`);
      if (packet[0] === '4') this.#message(packet.slice(1));
    }

    #message(packet) {
      const [, kind, count, namespace, id, text] = /^(\d)(?:(\d+)-)?(?:(\/[^,]*),)?(\d*)([^]*)$/.exec(packet) ?? [];
      if ((namespace ?? '/') !== this.namespace) return;
      const data = text ? JSON.parse(text) : undefined;
      if (kind === '0') this.#ready(data.sid);
      else if (kind === '1') this.#close('io server disconnect');
      else if (kind === '4') this.#tell('connect_error', new Error(data?.message ?? String(data)));
      else if (kind === '5' || kind === '6') this.partial = { kind, id, data, count: Number(count), parts: [] };
      else this.#deliver(kind, id, data);
    }

    #binary(bytes) {
      const { partial } = this;
      if (!partial || partial.parts.push(bytes) < partial.count) return;
      this.partial = undefined;
      this.#deliver(partial.kind === '5' ? '2' : '3', partial.id, putBack(partial.data, partial.parts));
    }

    #deliver(kind, id, data) {
      if (kind === '3') {
        this.acks.get(Number(id))?.(...data);
        this.acks.delete(Number(id));
      } else if (kind === '2') {
        const answer = id === '' ? [] : [(...args) => this.#packet(3, args, id)];
        this.#tell(...data, ...answer);
      }
    }

    #ready(sid) {
      Object.assign(this, { id: sid, connected: true, delay: 500 });
      for (const send of this.waiting.splice(0)) send();
      this.#tell('connect');
    }

    #packet(kind, data, id) {
      if (!this.connected) { this.waiting.push(() => this.#packet(kind, data, id)); return; }
      const parts = [], plain = takeOut(data, parts);
      const head = parts.length ? `4${kind + 3}${parts.length}-` : `4${kind}`;
      this.way.send(`${head}${this.#place()}${id}${JSON.stringify(plain)}`);
      for (const part of parts) this.way.send(part);
    }
  }

  const io = (where, options) => {
    if (typeof where === 'object') { options = where; where = undefined; }
    const { origin, pathname } = new URL(where ?? '/', location.href);
    return new Socket(origin, pathname, options ?? {});
  };
  io.connect = io;
  io.io = io;
  globalThis.io = io;
})();

/**
 * One WebSocket to the hub, kept alive: commands by id, pushes, heartbeat, reconnection with jittered back-off, or after the
 * pause that a node names before it ends.
 * It knows no view and no business word. A command that was cut off by a lost socket is sent again on the next one, which
 * is safe because every command of the page is a read, names what it changes, or carries an idempotency key.
 *
 *     connecting -> open -> lost -> connecting ...      (close codes 1001, 1006, 4000-4499)
 *            |           -> stopped                     (close codes 4500-4999: trying again would not help)
 *            +---------------^                            (the upgrade is refused: `isRefused`)
 */

const RETRY_MIN_MS = 300;
const RETRY_MAX_MS = 15_000;
const STEADY_MS = 5_000; // an open socket this old proves the hub well: only then does the back-off start anew
const ANSWER_MS = 10_000; // for the upgrade, the `connect` command and a heartbeat
const HURRY_MS = 3_000; // for a heartbeat after the machine woke or changed its network
const HEARTBEAT_CHECK_MS = 5_000;
const HEARTBEAT_GRACE_SECONDS = 10;
const PENDING_MAX = 200;
const MOVED = 4001; // the node that served us ends, as it told by `moving`
const FRAME_BYTES_MAX = 65_536; // the hub ends a connection that sends more; sent again and again it would never return

export class HubError extends Error {
  constructor({ code = "INTERNAL_ERROR", message = "Something went wrong.", temporary = false } = {}) {
    super(message);
    this.code = code;
    this.temporary = temporary;
  }
}

const lost = () => new HubError({ code: "CONNECTION_LOST", message: "The connection was lost.", temporary: true });

const tooLong = () => new HubError({ code: "VALIDATION_ERROR", message: "This is too long to be sent at once." });

export function retryDelay(attempt, random = Math.random) {
  const ceiling = Math.min(RETRY_MAX_MS, RETRY_MIN_MS * 2 ** attempt);
  return Math.max(RETRY_MIN_MS, ceiling * (0.5 + random() / 2)); // jitter: a thousand pages must not return as one
}

export class Connection {
  #socket = null;
  #ready = false;
  #admitted = false; // a socket has opened since the start
  #running = false;
  #pending = new Map();
  #nextId = 1;
  #attempt = 0;
  #movingMs = null; // the hub has said that it will close this socket, and what to wait before the next one
  #openedAt = 0;
  #heardAt = 0;
  #pingSeconds = 25;
  #retryTimer = 0;
  #answerTimer = 0;
  #probeTimer = 0;

  /**
   * @param {object} options
   * @param {string} options.url
   * @param {() => object|null} options.position  `{epoch, offset}` to recover events from, if any were seen
   * @param {(frame: object) => void} options.onConnected  before the commands that were cut off are sent again
   * @param {(frame: object) => void} options.onPush
   * @param {() => Promise<boolean>} options.isRefused  asked when no socket has opened yet: a browser is not told the status
   *   of an upgrade
   * @param {(state: {name: string, code?: number, reason?: string, error?: HubError}) => void} options.onState
   */
  constructor(options) {
    this.options = options;
    setInterval(() => this.#heartbeat(), HEARTBEAT_CHECK_MS);
    addEventListener("online", () => this.retryNow());
    addEventListener("offline", () => this.#probe(HURRY_MS));
    document.addEventListener("visibilitychange", () => document.hidden || this.hurry());
  }

  start() {
    this.#running = true;
    this.#admitted = false;
    this.#attempt = 0;
    this.#open();
  }

  /** Ends for good: outstanding commands are refused, and no reconnection follows. */
  stop() {
    this.#running = false;
    clearTimeout(this.#retryTimer);
    this.#drop();
    this.#refuse(() => true);
  }

  retryNow() {
    if (!this.#running) return;
    if (this.#socket) this.#probe(HURRY_MS);
    else this.#open();
  }

  /** After sleep a socket may be dead without having said so. */
  hurry() {
    this.retryNow();
  }

  /**
   * Resolves to the reply's result; rejects with a HubError. `once`: worthless on another socket, so never sent again.
   * `work`: begins something, which a hub that ends would refuse: it then waits for the next socket.
   */
  request(type, fields = {}, { once = false, work = false } = {}) {
    if (!this.#running || (once && !this.#ready) || this.#pending.size >= PENDING_MAX) return Promise.reject(lost());
    const frame = { id: this.#nextId++, type, ...fields };
    if (new TextEncoder().encode(JSON.stringify(frame)).length > FRAME_BYTES_MAX) return Promise.reject(tooLong());
    return new Promise((resolve, reject) => {
      this.#pending.set(frame.id, { frame, once, resolve, reject });
      const waits = work && this.#movingMs !== null;
      if (this.#ready && !waits) this.#write(frame);
    });
  }

  #open() {
    clearTimeout(this.#retryTimer);
    this.#drop();
    const socket = new WebSocket(this.options.url);
    this.#socket = socket;
    this.#answerTimer = setTimeout(() => this.#lost(1006), ANSWER_MS);
    socket.onopen = () => {
      this.#admitted = true;
      this.#connect();
    };
    socket.onmessage = (event) => this.#receive(event.data);
    socket.onclose = (event) => this.#closed(event);
  }

  #connect() {
    const recover = this.options.position();
    const frame = { id: this.#nextId++, type: "connect", ...(recover && { recover }) };
    const resolve = (reply) => this.#connected(reply);
    const reject = (error) => this.#refused(error);
    this.#pending.set(frame.id, { frame, once: true, resolve, reject });
    this.#write(frame);
  }

  #connected(reply) {
    clearTimeout(this.#answerTimer);
    this.#ready = true;
    this.#openedAt = Date.now();
    this.#pingSeconds = reply.ping_seconds ?? this.#pingSeconds;
    this.options.onState({ name: "open" });
    const waiting = [...this.#pending.values()];
    this.options.onConnected(reply);
    for (const command of waiting) this.#write(command.frame);
  }

  #refused(error) {
    if (error.code === "CONNECTION_LOST") return; // its socket closed, and that is handled there
    if (error.temporary) return this.#lost(1006);
    this.#end({ code: 4501, error });
  }

  #receive(data) {
    this.#heardAt = Date.now();
    clearTimeout(this.#probeTimer);
    this.#probeTimer = 0;
    const frame = JSON.parse(data);
    if (frame.type === "moving") this.#movingMs = frame.reconnect_ms;
    if (frame.id === undefined) return this.options.onPush(frame);
    const command = this.#pending.get(frame.id);
    if (!command) return;
    this.#pending.delete(frame.id);
    if (frame.error) command.reject(new HubError(frame.error));
    else command.resolve(frame.type === "ok" ? frame.result : frame);
  }

  #closed(event) {
    if (event.code >= 4500) return this.#end({ code: event.code, reason: event.reason });
    this.#lost(event.code);
    if (!this.#admitted) this.#askWhy();
  }

  async #askWhy() {
    const refused = await this.options.isRefused();
    if (refused && this.#running && !this.#admitted) this.#end({ refused });
  }

  #end(state) {
    this.stop();
    this.options.onState({ name: "stopped", ...state });
  }

  #lost(code) {
    if (this.#ready && Date.now() - this.#openedAt > STEADY_MS) this.#attempt = 0;
    const movingMs = this.#movingMs;
    this.#drop();
    this.#refuse((command) => command.once);
    if (!this.#running) return;
    const delay = code === MOVED && movingMs !== null ? movingMs : retryDelay(this.#attempt++);
    this.#retryTimer = setTimeout(() => this.#open(), delay);
    this.options.onState({ name: "lost", code });
  }

  /** Forgets the socket at once: waiting for its closing handshake on a dead network would take a minute. */
  #drop() {
    clearTimeout(this.#answerTimer);
    clearTimeout(this.#probeTimer);
    this.#probeTimer = 0;
    this.#ready = false;
    this.#movingMs = null;
    if (!this.#socket) return;
    this.#socket.onopen = this.#socket.onmessage = this.#socket.onclose = null;
    this.#socket.close();
    this.#socket = null;
  }

  #refuse(which) {
    for (const [id, command] of this.#pending) {
      if (!which(command)) continue;
      this.#pending.delete(id);
      command.reject(lost());
    }
  }

  #write(frame) {
    if (this.#socket?.readyState === WebSocket.OPEN) this.#socket.send(JSON.stringify(frame));
  }

  #heartbeat() {
    const silence = (Date.now() - this.#heardAt) / 1000;
    if (silence > this.#pingSeconds + HEARTBEAT_GRACE_SECONDS) this.#probe(ANSWER_MS);
  }

  /** Any frame that comes in time is an answer. */
  #probe(patience) {
    if (!this.#ready || this.#probeTimer) return;
    this.#probeTimer = setTimeout(() => this.#lost(4003), patience);
    this.request("ping", {}, { once: true }).catch(() => {});
  }
}

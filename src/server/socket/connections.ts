/**
 * Tracks the connections of a server: what each is doing, and since when. When there are too many, those that
 * do nothing for longest make room for new callers. A shutdown closes each when it is idle.
 */
import type { Server } from "node:http";
import type { Socket } from "node:net";

/**
 * What a connection is doing, in the order in which connections make room.
 *
 * - `silent`: it has not sent a complete head of a request yet.
 * - `receiving`: a body is on its way.
 * - `sending`: a reply is on its way.
 * - `idle`: every request was answered.
 * - `busy`: a request is being handled, a worker is attached, or events are read. It never makes room.
 */
const activities = ["silent", "receiving", "sending", "idle", "busy"] as const;
type Activity = (typeof activities)[number];

/** How many requests a connection may send before their answers. More would only wait in memory. */
const maxOpenRequests = 4;

/**
 * Milliseconds that a client has, as long as others can make room: to send its request, a good part of a
 * body, or its next request, or to read a reply. One command makes several requests, one after another.
 */
const graceMs: Readonly<Record<Activity, number>> = {
  silent: 100,
  receiving: 1000,
  sending: 1000,
  idle: 1000,
  busy: Number.POSITIVE_INFINITY,
};
/** Of those that are equally many, who make room when nobody has had that time. */
const withoutGrace: readonly Activity[] = ["receiving", "sending", "idle", "silent"];

interface Connection {
  /** The number of open requests. An upgraded connection counts as one until it is closed. */
  requests: number;
  activity: Activity;
  /** When it began to do that, by performance.now(). */
  since: number;
  /** Whether it is used by a worker or a reader of events. */
  isHeld: boolean;
}

/**
 * The open connections of a server. Node's closeIdleConnections cannot be used: for it, a connection that has
 * never sent anything is not idle.
 */
export class Connections {
  readonly #all = new Map<Socket, Connection>();
  /** By activity, those that do it for longest first. */
  readonly #by: Readonly<Record<Activity, Set<Socket>>> = {
    silent: new Set(),
    idle: new Set(),
    receiving: new Set(),
    sending: new Set(),
    busy: new Set(),
  };
  readonly #onFull: () => void;
  #limit = Number.POSITIVE_INFINITY;
  #held = 0;
  #closed = 0;
  #accepted = 0;
  #makingRoom = false;
  #draining = false;

  /** `onFull` is called when a connection is closed to make room, or refused because none could be. */
  constructor(server: Server, onFull: () => void = () => {}) {
    this.#onFull = onFull;
    server.on("connection", (socket: Socket) => this.#add(socket));
    server.prependListener("request", (request, response) => {
      const { socket, headers } = request;
      this.#count(socket, 1);
      const hasBody = headers["transfer-encoding"] !== undefined || Number(headers["content-length"]) > 0;
      this.#set(socket, hasBody ? "receiving" : "busy");
      if (this.openRequests(socket) > maxOpenRequests) this.#close(socket);
      response.once("close", () => {
        this.#count(socket, -1);
        if (this.#all.get(socket)?.requests === 0) this.#set(socket, "idle");
        if (this.#draining) this.#closeIdle(socket);
      });
    });
  }

  /** Above `limit` connections, others make room for new ones. A part of it is kept free for new callers. */
  limitTo(limit: number): void {
    this.#limit = limit;
  }

  get size(): number {
    return this.#all.size;
  }

  /** How many there were since the start. */
  get accepted(): number {
    return this.#accepted;
  }

  /** How many were closed to make room, or refused. */
  get closed(): number {
    return this.#closed;
  }

  /** Counts a request that may upgrade its connection. */
  upgrading(socket: Socket): void {
    this.#count(socket, 1);
    this.#set(socket, "busy");
  }

  /** A body has brought a good part more, so its connection is the last to make room. */
  progressed(socket: Socket): void {
    this.#set(socket, "receiving");
  }

  /** A body has arrived, and the request is being handled. */
  received(socket: Socket): void {
    this.#set(socket, "busy");
  }

  /** A reply is on its way, which the client may or may not read. */
  sending(socket: Socket): void {
    this.#set(socket, "sending");
  }

  /**
   * A worker or a reader of events keeps the connection. Returns false if so many do that hardly one would be
   * left for others; then it is not counted.
   */
  hold(socket: Socket): boolean {
    const connection = this.#all.get(socket);
    if (connection === undefined || connection.isHeld) return true;
    if (this.#held >= this.#limit - this.#reserve) return false;
    connection.isHeld = true;
    this.#held++;
    this.#set(socket, "busy");
    return true;
  }

  /** The number of open requests on a connection, including an upgrade. */
  openRequests(socket: Socket): number {
    return this.#all.get(socket)?.requests ?? 0;
  }

  /** The number of connections that have not sent a complete request yet. */
  get silent(): number {
    return this.#by.silent.size;
  }

  /** Closes each connection as soon as it has no open request. */
  drain(): void {
    this.#draining = true;
    for (const socket of this.#all.keys()) this.#closeIdle(socket);
  }

  destroy(): void {
    for (const socket of this.#all.keys()) socket.destroy();
  }

  #add(socket: Socket): void {
    // An upgrade that is answered as an ordinary request announces its connection again.
    if (this.#all.has(socket)) return;
    this.#accepted++;
    if (this.#all.size >= this.#limit && !this.#closeSlowest() && !this.#closeAny()) {
      this.#closed++;
      this.#onFull();
      socket.destroy();
      return;
    }
    this.#all.set(socket, { requests: 0, activity: "silent", since: performance.now(), isHeld: false });
    this.#by.silent.add(socket);
    socket.once("close", () => this.#forget(socket));
    // Several for each open request.
    socket.setMaxListeners(100);
    if (this.#draining) socket.destroySoon();
    if (this.#all.size > this.#limit - this.#reserve && !this.#makingRoom) {
      this.#makingRoom = true;
      // After this turn, in which callers may have sent their requests.
      setImmediate(() => this.#makeRoom());
    }
  }

  /** The number of connections that are kept free, so that a new caller finds one. */
  get #reserve(): number {
    return Math.min(16, Math.floor(this.#limit / 8));
  }

  #makeRoom(): void {
    this.#makingRoom = false;
    while (this.#all.size > this.#limit - this.#reserve) {
      if (!this.#closeSlowest()) return;
    }
  }

  /** Closes the connection that can best be spared, if one has had its time. */
  #closeSlowest(): boolean {
    const now = performance.now();
    for (const activity of activities) {
      const [socket] = this.#by[activity];
      if (socket === undefined) continue;
      const { since } = this.#all.get(socket) as Connection;
      if (now - since >= graceMs[activity]) return this.#makeRoomBy(socket);
    }
    return false;
  }

  /** In a flood most connections do the same, and those that do something else are probably no part of it. */
  #closeAny(): boolean {
    const most = withoutGrace.reduce((one, other) =>
      this.#by[other].size > this.#by[one].size ? other : one,
    );
    const [socket] = this.#by[most];
    return socket !== undefined && this.#makeRoomBy(socket);
  }

  #makeRoomBy(socket: Socket): true {
    this.#close(socket);
    this.#onFull();
    return true;
  }

  #close(socket: Socket): void {
    this.#forget(socket);
    // At once, because its descriptor may be needed for the next caller.
    socket.destroy();
    this.#closed++;
  }

  #forget(socket: Socket): void {
    const connection = this.#all.get(socket);
    if (connection === undefined) return;
    this.#all.delete(socket);
    this.#by[connection.activity].delete(socket);
    if (connection.isHeld) this.#held--;
  }

  #set(socket: Socket, activity: Activity): void {
    const connection = this.#all.get(socket);
    if (connection === undefined) return;
    const next = connection.isHeld ? "busy" : activity;
    this.#by[connection.activity].delete(socket);
    this.#by[next].add(socket);
    connection.activity = next;
    connection.since = performance.now();
  }

  #count(socket: Socket, change: 1 | -1): void {
    const connection = this.#all.get(socket);
    if (connection !== undefined) connection.requests += change;
  }

  #closeIdle(socket: Socket): void {
    if (this.#all.get(socket)?.requests === 0) socket.destroySoon();
  }
}

/** Tracks the connections of a server, so that a shutdown can close each when it is idle. */
import type { Server } from "node:http";
import type { Socket } from "node:net";

/**
 * The open connections of a server, with the number of open requests on each. An upgraded connection counts
 * as one open request until it is closed. Node's closeIdleConnections cannot be used: for it, a connection
 * that has never sent anything is not idle.
 */
export class Connections {
  readonly #requests = new Map<Socket, number>();
  readonly #silent = new Set<Socket>();
  #draining = false;

  constructor(server: Server) {
    server.on("connection", (socket: Socket) => {
      this.#requests.set(socket, 0);
      this.#silent.add(socket);
      socket.once("close", () => {
        this.#requests.delete(socket);
        this.#silent.delete(socket);
      });
      if (this.#draining) socket.destroySoon();
    });
    server.prependListener("request", ({ socket }, response) => {
      this.#count(socket, 1);
      this.#silent.delete(socket);
      response.once("close", () => {
        this.#count(socket, -1);
        if (this.#draining) this.#closeIdle(socket);
      });
    });
  }

  get size(): number {
    return this.#requests.size;
  }

  /** Counts a request that may upgrade its connection. */
  upgrading(socket: Socket): void {
    this.#count(socket, 1);
    this.#silent.delete(socket);
  }

  /** The number of open requests on a connection, including an upgrade. */
  openRequests(socket: Socket): number {
    return this.#requests.get(socket) ?? 0;
  }

  /** The number of connections that have not sent a complete request yet. */
  get silent(): number {
    return this.#silent.size;
  }

  /** Closes each connection as soon as it has no open request. */
  drain(): void {
    this.#draining = true;
    for (const socket of this.#requests.keys()) this.#closeIdle(socket);
  }

  destroy(): void {
    for (const socket of this.#requests.keys()) socket.destroy();
  }

  #count(socket: Socket, change: 1 | -1): void {
    const requests = this.#requests.get(socket);
    if (requests !== undefined) this.#requests.set(socket, requests + change);
  }

  #closeIdle(socket: Socket): void {
    if (this.#requests.get(socket) === 0) socket.destroySoon();
  }
}

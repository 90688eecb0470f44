import type { Server } from "node:http";
import type { Socket } from "node:net";

/**
 * The open connections of a server, and how many requests are under way on each. Node's own
 * closeIdleConnections takes a connection that has never sent anything for a busy one. One that was upgraded is busy until it
 * is closed.
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

  /** A request is there that may upgrade its connection. */
  upgrading(socket: Socket): void {
    this.#count(socket, 1);
    this.#silent.delete(socket);
  }

  /** How many requests are under way on a connection, one that was upgraded included. */
  underWay(socket: Socket): number {
    return this.#requests.get(socket) ?? 0;
  }

  /** How many of them have not sent a whole request yet, ever. */
  get silent(): number {
    return this.#silent.size;
  }

  /** Closes each connection as soon as nothing is under way on it. */
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

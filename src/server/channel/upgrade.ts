/**
 * Finds the requests that become worker connections, and has the app handle them, which refuses some in HTTP.
 * Node.js 20 and 22 treat every request with an Upgrade header as an upgrade once a server handles any.
 * Requests for other protocols are put back here, as ordinary requests (RFC 9110, 7.8). From 24.9 on Node.js
 * asks beforehand.
 */
import { type IncomingMessage, type Server, ServerResponse } from "node:http";
import type { Socket } from "node:net";
import type { FastifyInstance } from "fastify";
import { channelProtocol } from "../../contract/channel.ts";
import { upgrades } from "../../contract/routes.ts";
import type { Connections } from "../socket/connections.ts";

const pattern = new RegExp(`^${upgrades.attachWorker.path.replace(/\{\w+\}/, "[^/?]+")}(\\?|$)`);

/** An option of `http.createServer`, which the types of Node.js 20 do not have. */
export const upgradeOptions = { shouldUpgradeCallback: wantsChannel };

const upgrading = new WeakSet<IncomingMessage>();

/** Whether the connection of a request has left HTTP, except for the answer to this request. */
export function isUpgrading(request: IncomingMessage): boolean {
  return upgrading.has(request);
}

/** Passes each request of a worker to the app. */
export function takeUpgrades(app: FastifyInstance<Server>, connections: Connections): void {
  const { server } = app;
  server.on("upgrade", (request: IncomingMessage, socket: Socket, head: Buffer) => {
    connections.upgrading(socket);
    // The upgrade has detached the connection, so an earlier request can no longer be answered.
    if (connections.openRequests(socket) > 1) return void socket.destroy();
    if (!wantsChannel(request)) {
      socket.unshift(Buffer.concat([headOf(request), head]));
      server.emit("connection", socket);
      return;
    }
    // What came with the request is read when the connection is open.
    if (head.length > 0) socket.unshift(head);
    // The server listens no more; without a listener an error would end the process.
    socket.on("error", () => {});
    upgrading.add(request);
    const response = new ServerResponse(request);
    response.assignSocket(socket);
    // Only a refusal finishes: the connection cannot be used for HTTP again.
    response.once("finish", () => socket.destroySoon());
    app.routing(request, response);
  });
}

/** Ends HTTP on the connection of an upgrading request, which is the caller's from now on. */
export function switchProtocols(response: ServerResponse): Socket {
  const socket = response.socket as Socket;
  response.detachSocket(socket);
  // Sent together with the first message.
  socket.cork();
  process.nextTick(() => socket.uncork());
  socket.write(
    `HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: ${channelProtocol}\r\n\r\n`,
  );
  return socket;
}

function wantsChannel({ method, url, headers }: IncomingMessage): boolean {
  return method === "GET" && offersChannel(headers.upgrade) && pattern.test(url ?? "");
}

function offersChannel(upgrade = ""): boolean {
  return upgrade.split(",").some((protocol) => protocol.trim().toLowerCase() === channelProtocol);
}

/** The head of the request without the parts that ask for an upgrade. */
function headOf({ method, url, httpVersion, rawHeaders }: IncomingMessage): Buffer {
  const lines = [`${method} ${url} HTTP/${httpVersion}`];
  for (let at = 0; at < rawHeaders.length; at += 2) {
    const [name, value] = [rawHeaders[at] as string, rawHeaders[at + 1] as string];
    if (/^upgrade$/i.test(name)) continue;
    const kept = /^connection$/i.test(name) ? withoutUpgrade(value) : value;
    lines.push(`${name}: ${kept}`);
  }
  return Buffer.from(`${lines.join("\r\n")}\r\n\r\n`, "latin1");
}

function withoutUpgrade(connection: string): string {
  return connection
    .split(",")
    .map((option) => option.trim())
    .filter((option) => option.toLowerCase() !== "upgrade")
    .join(", ");
}

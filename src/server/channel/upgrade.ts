/**
 * Finds the requests that become worker connections. Node.js 20 and 22 treat every request with an Upgrade
 * header as an upgrade once a server handles any. Requests for other protocols are put back here, as ordinary
 * requests (RFC 9110, 7.8). From 24.9 on Node.js asks beforehand.
 */
import type { EventEmitter } from "node:events";
import type { IncomingMessage, Server } from "node:http";
import type { Socket } from "node:net";
import { upgrades } from "../../contract/routes.ts";
import type { Connections } from "../socket/connections.ts";

const pattern = new RegExp(`^${upgrades.attachWorker.path.replace(/\{\w+\}/, "[^/?]+")}(\\?|$)`);

/** An option of `http.createServer`, which the types of Node.js 20 do not have. */
export const upgradeOptions = { shouldUpgradeCallback: wantsChannel };

/** Emits the event `upgrade` on `requests` for each request of a worker. */
export function takeUpgrades(server: Server, connections: Connections, requests: EventEmitter): void {
  server.on("upgrade", (request: IncomingMessage, socket: Socket, head: Buffer) => {
    connections.upgrading(socket);
    // The upgrade has detached the connection, so an earlier request can no longer be answered.
    if (connections.openRequests(socket) > 1) return void socket.destroy();
    if (wantsChannel(request)) return void requests.emit("upgrade", request, socket, head);
    socket.unshift(Buffer.concat([headOf(request), head]));
    server.emit("connection", socket);
  });
}

function wantsChannel({ method, url, headers }: IncomingMessage): boolean {
  return method === "GET" && headers.upgrade?.toLowerCase() === "websocket" && pattern.test(url ?? "");
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

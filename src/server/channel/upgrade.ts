/**
 * Node 20 and 22 take every request with an Upgrade header out of HTTP, of whatever protocol, as soon as one endpoint wants
 * one. Here those that nobody upgrades are put back, as the ordinary requests that they also are (RFC 9110, 7.8). From 24.9
 * on Node can be told in time.
 */
import type { EventEmitter } from "node:events";
import type { IncomingMessage, Server } from "node:http";
import type { Socket } from "node:net";
import { upgrades } from "../../contract/routes.ts";
import type { Connections } from "../socket/connections.ts";

const pattern = new RegExp(`^${upgrades.attachWorker.path.replace(/\{\w+\}/, "[^/?]+")}(\\?|$)`);

/** For `http.createServer`; the types of Node 20 do not know it. */
export const upgradeOptions = { shouldUpgradeCallback: wantsChannel };

/** Hands over the requests for a channel, as the event `upgrade`. */
export function takeUpgrades(server: Server, connections: Connections, channel: EventEmitter): void {
  server.on("upgrade", (request: IncomingMessage, socket: Socket, head: Buffer) => {
    connections.upgrading(socket);
    // The answer to an earlier request has lost its way out with this one.
    if (connections.underWay(socket) > 1) return void socket.destroy();
    if (wantsChannel(request)) return void channel.emit("upgrade", request, socket, head);
    socket.unshift(Buffer.concat([headOf(request), head]));
    server.emit("connection", socket);
  });
}

function wantsChannel({ method, url, headers }: IncomingMessage): boolean {
  return method === "GET" && headers.upgrade?.toLowerCase() === "websocket" && pattern.test(url ?? "");
}

/** The request as it came, without what asks for an upgrade. */
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

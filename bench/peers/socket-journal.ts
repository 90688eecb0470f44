/**
 * The limit of a server like ours, in a separate process: a WebSocket for each worker, and the bare journal
 * loop. It has no sessions and checks nothing. It reads a message, writes it durably together with all that
 * wait, and answers.
 */
import { truncateSync } from "node:fs";
import { createServer } from "node:http";
import { WebSocketServer } from "ws";
import { ackedReports } from "./acks.ts";
import { lineOf, linesOf, logOf, openLoop } from "./journal-loop.ts";
import type { Peer, PeerSettings } from "./peer.ts";

/** The server's program. It sends `ready` to its parent when it listens. */
export async function serveJournal([directory, socket]: readonly string[]): Promise<void> {
  const { loop } = await openLoop(directory as string, "O_DSYNC");
  const server = createServer();
  const connections = new WebSocketServer({ server, perMessageDeflate: false });
  connections.on("connection", (connection, { url = "" }) => {
    const session = url.slice(1);
    connection.send(JSON.stringify({ type: "attached" }));
    connection.on("message", async (data: Buffer) => {
      const text = data.toString();
      const { type, seq } = JSON.parse(text);
      if (type !== "progress") return connection.close();
      await loop.append(lineOf(text, session));
      connection.send(JSON.stringify({ type: "ack", seq }));
    });
  });
  process.on("disconnect", () => process.exit());
  server.listen(socket, () => process.send?.("ready"));
}

export function socketJournal({ directory, socket }: PeerSettings): Peer {
  return {
    async open(session) {
      const { report, leave } = await ackedReports(`ws+unix:${socket}:/${session}`);
      return {
        report,
        async finishDeferred() {},
        stored: () => linesOf(directory, session),
        close: () => leave({ type: "detach" }),
      };
    },
    async clear() {
      truncateSync(logOf(directory));
    },
    async close() {},
  };
}

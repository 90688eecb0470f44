/**
 * The limit of a server like ours, in a separate process: a connection for each worker, a JSON object a line,
 * and the bare journal loop. It has no sessions and checks nothing. It reads a message, writes it durably
 * together with all that wait, and answers.
 */
import { truncateSync } from "node:fs";
import { createServer } from "node:http";
import { channelProtocol } from "../../src/contract/channel.ts";
import { Lines } from "../../src/json/lines.ts";
import { ackedReports } from "./acks.ts";
import { lineOf, linesOf, logOf, openLoop } from "./journal-loop.ts";
import type { Peer, PeerSettings } from "./peer.ts";

/** The server's program. It sends `ready` to its parent when it listens. */
export async function serveJournal([directory, socket]: readonly string[]): Promise<void> {
  const { loop } = await openLoop(directory as string, "O_DSYNC");
  const server = createServer();
  server.on("upgrade", ({ url = "" }, connection) => {
    const session = url.slice(1);
    const lines = new Lines();
    connection.write(
      `HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: ${channelProtocol}\r\n\r\n`,
    );
    connection.write('{"type":"attached"}\n');
    const take = async (text: string) => {
      const { type, seq } = JSON.parse(text);
      if (type !== "progress") return void connection.end();
      await loop.append(lineOf(text, session));
      connection.write(`{"type":"ack","seq":${seq}}\n`);
    };
    connection.on("data", (bytes: Buffer) => {
      lines.add(bytes);
      for (let line = lines.next(); line !== undefined; line = lines.next()) void take(line.toString());
    });
  });
  process.on("disconnect", () => process.exit());
  server.listen(socket, () => process.send?.("ready"));
}

export function lineJournal({ directory, socket }: PeerSettings): Peer {
  return {
    async open(session) {
      const { report, leave } = await ackedReports(socket, `/${session}`);
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

import { once } from "node:events";
import { connect, createServer, type Socket } from "node:net";
import { join } from "node:path";
import { Duplex } from "node:stream";
import { expect, onTestFinished, test } from "vitest";
import { readDirectly } from "../../../src/server/channel/direct-reads.ts";
import { eventually } from "../../support/eventually.ts";
import { tempDir } from "../../support/temp-dir.ts";

/** Two ends of a connection. The accepted one is half open when the other has ended. */
async function pair(): Promise<[accepted: Socket, other: Socket]> {
  const path = join(await tempDir(), "s.sock");
  const server = createServer({ allowHalfOpen: true }).listen(path);
  onTestFinished(() => void server.close());
  const other = connect(path);
  onTestFinished(() => void other.destroy());
  const [accepted] = await once(server, "connection");
  onTestFinished(() => void accepted.destroy());
  return [accepted, other];
}

/** Collects what is read. */
function readAll(socket: Socket): { text: string; pieces: Buffer[] } {
  const all = { text: "", pieces: [] as Buffer[] };
  readDirectly(socket, (bytes) => {
    all.text += bytes.toString();
    all.pieces.push(bytes);
  });
  return all;
}

test("an accepted socket is read without its stream, and each piece stays what it is", async () => {
  const [accepted, other] = await pair();
  // Some bytes are in the stream before, as after an upgrade.
  accepted.unshift(Buffer.from("head "));
  other.write("first ");
  await once(accepted, "readable");
  const read = readAll(accepted);
  const ended = once(accepted, "end");
  await eventually(() => expect(read.text).toBe("head first "));
  expect(accepted.listenerCount("data"), "this version of Node.js has no direct reads").toBe(0);
  for (const piece of ["second ", "third ", "x".repeat(200_000)]) {
    other.write(piece);
    await eventually(() => expect(read.text.endsWith(piece)).toBe(true));
  }
  expect(Buffer.concat(read.pieces).toString()).toBe(read.text);

  accepted.pause();
  other.end(" last");
  await new Promise((resolve) => setImmediate(resolve));
  expect(read.text.endsWith("last")).toBe(false);
  accepted.resume();
  await ended;
  expect(read.text.endsWith(" last")).toBe(true);
  // The other direction is still open.
  accepted.end("answer");
  expect(String((await once(other, "data"))[0])).toBe("answer");
});

test("an end that came before is noticed, and so is a connection that is cut off", async () => {
  const [accepted, other] = await pair();
  other.end("all");
  await once(accepted, "readable");
  const read = readAll(accepted);
  await once(accepted, "end");
  expect(read.text).toBe("all");

  const [second, gone] = await pair();
  readAll(second);
  second.write("x".repeat(10));
  gone.destroy();
  second.on("error", () => {});
  await once(second, "end").catch(() => {});
});

test("what has no such parts is read as usual", async () => {
  const stream = new Duplex({ read() {}, write: (_chunk, _encoding, done) => done() });
  const read = readAll(stream as unknown as Socket);
  stream.push("as ");
  stream.push("usual");
  await eventually(() => expect(read.text).toBe("as usual"));
});

import { once } from "node:events";
import { type IncomingMessage, request } from "node:http";
import { createParser } from "eventsource-parser";
import { expect, onTestFinished } from "vitest";
import { streamEventSchema } from "../../../src/contract/events.ts";
import { eventually } from "../../support/eventually.ts";

/** Anything that an event may have: tests look into it and fail where it is not what they expect. */
export type AnyEvent = Readonly<Record<string, unknown>> & { kind: string; id?: string };

export interface Reader {
  readonly events: AnyEvent[];
  /** Those after the first reset, without what differs from run to run. */
  told(): Record<string, unknown>[];
  readonly response: IncomingMessage;
  /** The id of the last event. */
  lastId(): string;
  /** Resolves with the events once there is one that matches. */
  until(match: Record<string, unknown>): Promise<AnyEvent[]>;
  /** Resolves when the daemon has ended the stream; rejects when it was cut off. */
  readonly ended: Promise<void>;
  /** Begins to read, where that was to be later. */
  read(): void;
  close(): void;
}

/** Follows the events over a connection of its own, which is closed when the test ends. */
export async function follow(
  socketPath: string,
  query = "",
  headers: Record<string, string> = {},
  when: "now" | "later" = "now",
): Promise<Reader> {
  const outgoing = request({ socketPath, path: `/v1/events${query}`, headers, agent: false });
  outgoing.end();
  const [response] = (await once(outgoing, "response")) as [IncomingMessage];
  onTestFinished(() => void outgoing.destroy());
  outgoing.on("error", () => {});
  expect([response.statusCode, response.headers["content-type"]]).toEqual([
    200,
    "text/event-stream; charset=utf-8",
  ]);
  const events: AnyEvent[] = [];
  const parser = createParser({
    onEvent({ id, event, data }) {
      const value = JSON.parse(data) as AnyEvent;
      expect(streamEventSchema.safeParse(value).error, data).toBeUndefined();
      expect([event, id]).toEqual([value.kind, value.id]);
      events.push(value);
    },
  });
  response.setEncoding("utf8");
  const ended = new Promise<void>((resolve, reject) => {
    response.once("end", resolve);
    response.once("error", reject);
  });
  ended.catch(() => {});
  const read = () => void response.on("data", (text: string) => parser.feed(text));
  const reader: Reader = {
    events,
    read,
    told: () =>
      events.slice(1).map(({ id: _id, time: _time, checkpoint_time: _checkpoint, ...rest }) => rest),
    response,
    lastId: () => events.at(-1)?.id as string,
    async until(match) {
      const matches = expect.objectContaining(match);
      await eventually(() => {
        if (!events.some((event) => matches.asymmetricMatch(event))) expect(events.at(-1)).toEqual(matches);
      });
      return events;
    },
    ended,
    close: () => void outgoing.destroy(),
  };
  if (when === "later") return reader;
  read();
  // The reset, unless it goes on.
  if (query.includes("since") || "last-event-id" in headers) return reader;
  await eventually(() => expect(events).not.toEqual([]));
  return reader;
}

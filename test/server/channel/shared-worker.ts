/** A worker that shares its session, as any program could be one. */
import type { DaemonMessage, SharedAttachedMessage } from "../../../src/contract/channel.ts";
import { type JsonObject, stringifyJson } from "../../../src/json/exact-json.ts";
import { eventually } from "../../support/eventually.ts";
import { type AttachOptions, answerTo, type Channel, openChannel } from "./channel-worker.ts";

export type Claimed = DaemonMessage & { type: "claimed" };

export interface SharedWorker extends Omit<Channel<SharedAttachedMessage>, "isOpen"> {
  isOpen(): boolean;
  /** Sends a claim, and returns its seq. */
  ask(count?: number): number;
  /** The answer to a claim, once it is there. @throws if it was refused */
  answer(seq: number): Promise<Claimed>;
  /** Claims, and resolves with the files. */
  claim(count?: number): Promise<readonly string[]>;
  /** Reports files as processed, and resolves with the answer. */
  report(files: readonly string[], results?: JsonObject): Promise<DaemonMessage>;
  /** Gives files back, and resolves with the answer. */
  release(files: readonly string[]): Promise<DaemonMessage>;
}

/** @throws Refused */
export async function attachShared(
  socketPath: string,
  id: string,
  options: Omit<AttachOptions, "query"> = {},
): Promise<SharedWorker> {
  const query = new URLSearchParams({ shared: "true" });
  if (options.worker !== undefined) query.set("worker", options.worker);
  if (options.process !== undefined) query.set("process", options.process);
  const channel = await openChannel<SharedAttachedMessage>(socketPath, id, { ...options, query: `${query}` });
  const { messages, send } = channel;
  let seq = 0;
  const found = (of: number): Claimed => {
    for (const message of messages) {
      if (message.type === "claimed" && message.seq === of) return message;
      if (message.type === "error" && message.seq === of) return message as never;
    }
    throw new Error(`${of} is not answered: ${stringifyJson(messages)}`);
  };
  const worker: SharedWorker = {
    ...channel,
    ask(count = 1) {
      send({ type: "claim", seq: ++seq, count });
      return seq;
    },
    async answer(of) {
      const answer = await eventually(() => found(of));
      if (answer.type !== "claimed") throw new Error(`claim ${of} was refused: ${stringifyJson(answer)}`);
      return answer;
    },
    claim: async (count) => (await worker.answer(worker.ask(count))).files,
    report(processed, results) {
      const of = ++seq;
      send({ type: "progress", seq: of, processed, ...(results !== undefined && { results }) });
      return eventually(() => answerTo(messages, of));
    },
    release(files) {
      const of = ++seq;
      send({ type: "release", seq: of, files });
      return eventually(() => answerTo(messages, of));
    },
  };
  return worker;
}

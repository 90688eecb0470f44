/** The schemas of replies about the workers of a session. */
import { z } from "zod";

const attachedWorker = z.object({
  epoch: z.int().describe("of its lease; new with each connection"),
  name: z.string().nullable(),
  host: z.string().nullable().describe("of the daemon to which it is attached; null if that is not known"),
  since: z.string().describe("when its lease began; a reconnection goes on with the lease"),
  claimed: z.int().describe("how many files it holds; 0 for a worker that has the session for itself"),
  connected: z.boolean().describe("false while a worker that lost its connection may still reconnect"),
  shared: z.boolean().describe("whether it shares the session with other workers"),
});

export const workersOfSession = z
  .array(attachedWorker)
  .describe("the attached workers; nobody else may report progress while there are any");

export const evictedReply = z.object({
  epoch: z.int(),
  name: z.string().nullable(),
  released: z.int().describe("how many files it held; other workers can claim them now"),
});

export type AttachedWorker = z.infer<typeof attachedWorker>;
export type Evicted = z.infer<typeof evictedReply>;

/**
 * The event stream at `GET /v1/events`: Server-Sent Events (WHATWG HTML, section 9.2). `event` is the kind, `data` one JSON
 * object, and `id` what to go on after. Readers must ignore kinds and keys that they do not know.
 *
 * A reader that has no cursor, or one that the daemon cannot go on from, is first told so by a `reset`: what it knows of
 * sessions may be out of date, so it lists them, and from there on the events keep it up to date. Nothing is missed between
 * the two, and nothing comes twice. So a reader has one rule: after each `reset`, list.
 *
 * Events are kept in memory, as many as there is room for: a daemon that restarts is another run, with other ids.
 */
import { z } from "zod";
import { sessionIdSchema, statuses } from "../session/session.ts";
import { repeatable } from "./requests.ts";

export const eventsPath = "/v1/events";
export const eventsMediaType = "text/event-stream";

export const eventKinds = [
  "session.created",
  "session.updated",
  "session.status",
  "session.progress",
  "session.deleted",
  "worker.attached",
  "worker.detached",
  "worker.lost",
] as const;
export type EventKind = (typeof eventKinds)[number];

/** Of one run of the daemon, and a count within it. */
const eventIdPattern = /^[0-9a-z]+-\d+$/;
const eventIdMessage = "must be the id of an event";
export const eventIdSchema = z.string().regex(eventIdPattern, eventIdMessage);

export const eventsQuery = z.strictObject({
  session: repeatable(sessionIdSchema).describe("only events of these sessions"),
  kind: repeatable(z.enum(eventKinds)).describe("only events of these kinds; a reset comes in any case"),
  since: eventIdSchema.optional().describe("go on after the event of this id"),
});
export type EventsQuery = z.output<typeof eventsQuery>;

/** Longer reasons, which only other programs can write, are cut. */
export const maxReasonLength = 4096;

const head = {
  id: z.string().describe("what to go on after"),
  time: z.string().describe("when the daemon saw it; ISO 8601 in UTC, with microseconds"),
};

/** What the session is after the event; of one that was deleted, what it was. */
const facts = {
  session_id: z.string(),
  revision: z.int(),
  status: z.enum(statuses),
  status_reason: z.string().nullable().describe(`at most ${maxReasonLength} characters of it`),
  processed_count: z.int(),
  pending_count: z.int(),
  pinned: z.boolean(),
  checkpoint_time: z.string(),
};

const outside = z.boolean().describe("another program did it, to the session's file");
const lease = { worker: z.string().nullable(), epoch: z.int() };

export const updatedParts = [
  "labels",
  "pinned",
  "status_reason",
  "target_path",
  "created_time",
  "generation",
  "document",
] as const;

export const sessionEventSchema = z.discriminatedUnion("kind", [
  z.object({ ...head, kind: z.literal("session.created"), ...facts, outside }),
  z.object({
    ...head,
    kind: z.literal("session.updated"),
    ...facts,
    outside,
    changed: z
      .array(z.enum(updatedParts))
      .describe("document: something that only the whole document shows, such as results"),
  }),
  z.object({
    ...head,
    kind: z.literal("session.status"),
    ...facts,
    outside,
    from: z.enum(statuses),
    to: z.enum(statuses),
  }),
  z.object({
    ...head,
    kind: z.literal("session.progress"),
    ...facts,
    outside,
    coalesced: z.int().describe("how many revisions this one event stands for"),
  }),
  z.object({
    ...head,
    kind: z.literal("session.deleted"),
    ...facts,
    outside,
    cause: z
      .enum(["removed", "gone", "unreadable"])
      .describe(
        "removed: by request or cleanup; gone: another program took the file away; unreadable: the file is there, and cannot be read",
      ),
    restorable: z.boolean().describe("a session of this id is in the trash"),
  }),
  z.object({ ...head, kind: z.literal("worker.attached"), ...facts, ...lease }),
  z.object({ ...head, kind: z.literal("worker.detached"), ...facts, ...lease }),
  z.object({
    ...head,
    kind: z.literal("worker.lost"),
    ...facts,
    ...lease,
    gone: z.boolean().describe("its time to come back is over; until then, false"),
  }),
]);
/** Something that happened to a session or its worker. One change may have several events, of different kinds. */
export type SessionEvent = z.infer<typeof sessionEventSchema>;

export const resetReasons = ["start", "too_old", "other_run"] as const;

export const resetEventSchema = z.object({
  ...head,
  kind: z.literal("reset"),
  reason: z
    .enum(resetReasons)
    .describe(
      "start: no cursor was given; too_old: the events after it are not kept any more; other_run: it is not of this run of the daemon",
    ),
});
/** What the reader knows may be out of date: it should list the sessions. The events after this one start here. */
export type ResetEvent = z.infer<typeof resetEventSchema>;

export const droppedEventSchema = z.object({
  kind: z.literal("dropped"),
  detail: z.string(),
});
/**
 * The last of a connection whose reader was too slow. It has no id: the reader may come back with that of the last event
 * that it got.
 */
export type DroppedEvent = z.infer<typeof droppedEventSchema>;

export const streamEventSchema = z.union([sessionEventSchema, resetEventSchema, droppedEventSchema]);

/** What a client hands on of the stream. */
export type StreamEvent = SessionEvent | ResetEvent;

/** How long a reader whose connection ended should wait before it comes back. */
export const retryMs = 250;
/** At most this long the daemon says nothing. What it says then is a comment, and the id to go on after. */
export const heartbeatMs = 15_000;

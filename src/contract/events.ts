/**
 * The event stream at `GET /v1/events`: Server-Sent Events (WHATWG HTML, section 9.2). `event` is the kind,
 * `data` is one JSON object, and `id` is the cursor with which a reader continues. Readers must ignore
 * unknown kinds and keys.
 *
 * A reader without a cursor, or with one from which the daemon cannot continue, first gets a `reset` event.
 * Its knowledge of the sessions may be out of date, so it must list them after each `reset`. The events that
 * follow keep that list up to date: none is missed between the list and the stream.
 *
 * The daemon keeps a limited number of events in memory. After a restart it begins a new run with new ids.
 * Where daemons share a database, each tells what happens on all of them, with ids of its own. If a daemon
 * may have missed changes of others, every reader gets a `reset` in the midst of its stream.
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

/** The run of the daemon, and the number of the event in that run. */
const eventIdPattern = /^[0-9a-z]+-\d+$/;
const eventIdMessage = "must be the id of an event";
export const eventIdSchema = z.string().regex(eventIdPattern, eventIdMessage);

export const eventsQuery = z.strictObject({
  session: repeatable(sessionIdSchema).describe("only events of these sessions"),
  kind: repeatable(z.enum(eventKinds)).describe("only events of these kinds; a reset comes in any case"),
  since: eventIdSchema.optional().describe("continue after the event with this id"),
});
export type EventsQuery = z.output<typeof eventsQuery>;

/** In characters. A longer reason is shortened; only other programs can write one. */
export const maxReasonLength = 4096;

const head = {
  id: z.string().describe("the cursor to continue after this event"),
  time: z.string().describe("when the daemon noticed it: ISO 8601 in UTC, with microseconds"),
};

/** The session after the event, or, if it was deleted, before. */
const facts = {
  session_id: z.string(),
  revision: z.int(),
  status: z.enum(statuses),
  status_reason: z.string().nullable().describe(`shortened to ${maxReasonLength} characters`),
  processed_count: z.int(),
  pending_count: z.int(),
  pinned: z.boolean(),
  checkpoint_time: z.string(),
};

const outside = z.boolean().describe("another program did it, without the daemon");
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
      .describe("document: a part that only the whole document contains, such as results"),
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
        "removed: by request or cleanup; gone: another program took the session away; unreadable: the session is there, and cannot be read",
      ),
    restorable: z.boolean().describe("whether a session with this id is in the trash"),
  }),
  z.object({ ...head, kind: z.literal("worker.attached"), ...facts, ...lease }),
  z.object({ ...head, kind: z.literal("worker.detached"), ...facts, ...lease }),
  z.object({
    ...head,
    kind: z.literal("worker.lost"),
    ...facts,
    ...lease,
    gone: z.boolean().describe("true if its time to reconnect is over; false if it may still reconnect"),
  }),
]);
/** A change of a session or its worker. One change may have several events, of different kinds. */
export type SessionEvent = z.infer<typeof sessionEventSchema>;

export const resetReasons = ["start", "too_old", "other_run"] as const;

export const resetEventSchema = z.object({
  ...head,
  kind: z.literal("reset"),
  reason: z
    .enum(resetReasons)
    .describe(
      "start: no cursor was given; too_old: events after the cursor are no longer kept, or the daemon may have missed changes of others; other_run: the cursor is from another run of the daemon, or from another daemon",
    ),
});
/** The reader's knowledge may be out of date, so it must list the sessions now. */
export type ResetEvent = z.infer<typeof resetEventSchema>;

export const droppedEventSchema = z.object({
  kind: z.literal("dropped"),
  detail: z.string(),
});
/**
 * The last event of a connection whose reader was too slow. It has no id. The reader may reconnect with the
 * id of the last other event.
 */
export type DroppedEvent = z.infer<typeof droppedEventSchema>;

export const streamEventSchema = z.union([sessionEventSchema, resetEventSchema, droppedEventSchema]);

/** The events that a client library passes to its caller. */
export type StreamEvent = SessionEvent | ResetEvent;

/** How long a reader should wait before it reconnects. */
export const retryMs = 250;
/** At least this often the daemon sends something: if there is no event, a comment and the current cursor. */
export const heartbeatMs = 15_000;

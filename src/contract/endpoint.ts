/** What a row of the route table says of an endpoint. */
import type { z } from "zod";

export interface Endpoint {
  method: "GET" | "POST" | "PUT" | "PATCH" | "DELETE";
  /** Path with `{name}` for parameters. */
  path: string;
  summary: string;
  /** Refuses unknown keys; values arrive as text, or as a list of texts where repeatable. */
  query?: z.ZodObject;
  /** Checks a body without rebuilding it. `optional` bodies may be absent. */
  body?: { schema: z.ZodType; optional?: boolean };
  /** Header names that the endpoint understands beyond those of every endpoint. */
  headers?: readonly ("if-match" | "if-none-match" | "last-event-id")[];
  reply?: z.ZodType;
  /** What each event of a stream is. */
  event?: z.ZodType;
  /** The status of success; 200 if not given. */
  status?: 201 | 101;
}

export interface Route extends Endpoint {
  reply: z.ZodType;
  status?: 201;
}

/** HTTP until it is answered with 101, "switching protocols"; what follows are the messages of `channel.ts`. */
export interface Channel extends Endpoint {
  method: "GET";
  status: 101;
}

/** Answered with Server-Sent Events, those of `events.ts`, until one side ends it. */
export interface Stream extends Endpoint {
  method: "GET";
  event: z.ZodType;
}

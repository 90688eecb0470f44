/** The shape of a row of the route table. */
import type { z } from "zod";
import type { Repeated } from "../session/repeated-files.ts";

export interface Endpoint {
  method: "GET" | "POST" | "PUT" | "PATCH" | "DELETE";
  /** The path, with `{name}` for parameters. */
  path: string;
  summary: string;
  /** Must refuse unknown keys. Values arrive as text, or as a list of texts if the key is repeatable. */
  query?: z.ZodObject;
  /**
   * Checks a body; the handler gets the body itself, not the schema's output. An `optional` body may be
   * absent. `repeated` finds the files that a body names twice, if its schema accepts the body. `isGood` is
   * true only for what the schema accepts, and is faster.
   */
  body?: {
    schema: z.ZodType;
    optional?: boolean;
    repeated?(body: unknown): Promise<Repeated>;
    isGood?(body: unknown): boolean;
  };
  /** The headers that this endpoint supports. */
  headers?: readonly ("if-match" | "if-none-match" | "last-event-id" | "sessiond-token")[];
  reply?: z.ZodType;
  /** One event of a stream. */
  event?: z.ZodType;
  /** The HTTP status of success; 200 by default. */
  status?: 201 | 101;
}

export interface Route extends Endpoint {
  reply: z.ZodType;
  status?: 201;
}

/** An endpoint that switches protocols (101). The messages of `channel.ts` follow. */
export interface Upgrade extends Endpoint {
  method: "GET";
  status: 101;
}

/**
 * An endpoint that answers with Server-Sent Events, those of `events.ts`, until one side ends the connection.
 */
export interface Stream extends Endpoint {
  method: "GET";
  event: z.ZodType;
}

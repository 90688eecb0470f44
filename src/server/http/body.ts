/** Parses request bodies: UTF-8 to JSON without loss. */
import { isUtf8 } from "node:buffer";
import type { IncomingMessage, Server } from "node:http";
import type { FastifyInstance, FastifyRequest } from "fastify";
import { SessiondError } from "../../error.ts";
import { hasMoreValues } from "../../json/count-values.ts";
import { JsonError, type JsonValue } from "../../json/exact-json.ts";
import { type Placed, parseJsonInSlices, TooManyMembers } from "../../json/parse-in-slices.ts";
import type { LimitsOptions } from "../options.ts";
import { wrongMediaType } from "./error-reply.ts";
import { type ReceiveOptions, receiveBody } from "./receive-body.ts";

/**
 * The most keys that one object in a request may have. The engine handles an object as a whole where it lists
 * its keys or makes room for more: with 150,000 of them that takes up to 40 ms, with a million 300.
 */
const maxKeys = 150_000;

/** The same for the outermost object and `config`, which are copied as a whole again and again. */
const maxOwnKeys = 10_000;

/**
 * The most names in one list of files, and items in any other list. The garbage collector goes through a list
 * as a whole: through one of a million names in about 50 ms.
 */
const maxFiles = 500_000;
const maxItems = 1_000_000;

/** What the text of a request may hold: a key or a number is read in one go. */
export const textLimits = {
  most: ({ isList, level, key }: Placed) => {
    if (isList) return level === 1 ? maxFiles : maxItems;
    return level === 0 || (level === 1 && key === "config") ? maxOwnKeys : maxKeys;
  },
  longestToken: 1024 * 1024,
} as const;

/** A longer body is not kept once it is parsed. */
const shortBytes = 64 * 1024;

/** What a request with a JSON body has as its body. */
export interface JsonBody {
  value: JsonValue;
  /** The body as its sender wrote it, if it is short. */
  text: Buffer | undefined;
}

export type BodyLimits = Pick<LimitsOptions, "depth" | "values">;

export interface BodyOptions extends ReceiveOptions {
  limits: BodyLimits;
  /** Waits for the turn of a request of so many bytes. */
  begin: (request: IncomingMessage, bytes: number) => Promise<void>;
}

/**
 * Accepts JSON and nothing else. An empty body counts as no body, whatever its type: `curl -d ''` says it is
 * a form.
 */
export function acceptJsonBodies(app: FastifyInstance<Server>, options: BodyOptions): void {
  app.removeAllContentTypeParsers();
  app.addContentTypeParser("application/json", async (_: FastifyRequest, request: IncomingMessage) => {
    const body = await receiveBody(request, options);
    if (body.length === 0) return undefined;
    await options.begin(request, body.length);
    const value = await parseBody(body, options.limits);
    return { value, text: body.length <= shortBytes ? body : undefined } satisfies JsonBody;
  });
  app.addContentTypeParser("*", async ({ headers }: FastifyRequest, request: IncomingMessage) => {
    const body = await receiveBody(request, options);
    if (body.length > 0) throw wrongMediaType(headers["content-type"]);
  });
}

async function parseBody(body: Buffer, { depth, values }: BodyLimits): Promise<JsonValue> {
  if (!isUtf8(body)) throw new SessiondError("invalid_request", "the body is not valid UTF-8");
  if (await hasMoreValues(body, values)) throw tooManyValues("the body", values);
  try {
    return await parseJsonInSlices(body, depth, textLimits);
  } catch (error) {
    if (error instanceof TooManyMembers)
      throw new SessiondError("payload_too_large", `${error.message}; send them in several requests`);
    if (!(error instanceof JsonError)) throw error;
    throw new SessiondError("invalid_request", `cannot read the body as JSON: ${error.message}`, {
      cause: error,
    });
  }
}

export function tooManyValues(what: string, most: number): SessiondError {
  const counted = "lists, objects, and everything in them";
  const message = `${what} has more than ${most} values, counting ${counted} (limits.values in the configuration)`;
  return new SessiondError("payload_too_large", message);
}

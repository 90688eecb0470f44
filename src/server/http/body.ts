/** Parses request bodies: UTF-8 to JSON without loss. */
import { isUtf8 } from "node:buffer";
import type { FastifyInstance, FastifyRequest } from "fastify";
import { SessiondError } from "../../error.ts";
import { hasMoreValues } from "../../json/count-values.ts";
import { JsonError, type JsonValue } from "../../json/exact-json.ts";
import { parseJsonInSlices, TooManyKeys } from "../../json/parse-in-slices.ts";
import type { LimitsOptions } from "../options.ts";
import { wrongMediaType } from "./error-reply.ts";

/**
 * The most keys that one object in a request may have. The engine handles an object as a whole where it lists
 * its keys or makes room for more, and with a million of them that takes a few hundred milliseconds.
 */
const maxKeys = 1_000_000;

/** What the text of a request may hold: a key or a number is read in one go. */
export const textLimits = { maxKeys, longestToken: 1024 * 1024 } as const;

export type BodyLimits = Pick<LimitsOptions, "depth" | "values">;

/**
 * Accepts JSON and nothing else. An empty body counts as no body, whatever its type: `curl -d ''` says it is
 * a form.
 */
export function acceptJsonBodies(app: FastifyInstance, limits: BodyLimits): void {
  app.removeAllContentTypeParsers();
  app.addContentTypeParser(
    "application/json",
    { parseAs: "buffer" },
    async (_: FastifyRequest, body: Buffer) => (body.length === 0 ? undefined : parseBody(body, limits)),
  );
  app.addContentTypeParser("*", { parseAs: "buffer" }, async (request: FastifyRequest, body: Buffer) => {
    if (body.length > 0) throw wrongMediaType(request.headers["content-type"]);
  });
}

async function parseBody(body: Buffer, { depth, values }: BodyLimits): Promise<JsonValue> {
  if (!isUtf8(body)) throw new SessiondError("invalid_request", "the body is not valid UTF-8");
  if (await hasMoreValues(body, values)) throw tooManyValues("the body", values);
  try {
    return await parseJsonInSlices(body, depth, textLimits);
  } catch (error) {
    if (error instanceof TooManyKeys) throw new SessiondError("payload_too_large", error.message);
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

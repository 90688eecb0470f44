/** Parses request bodies: UTF-8 to JSON without loss. */
import { isUtf8 } from "node:buffer";
import type { FastifyInstance, FastifyRequest } from "fastify";
import { SessiondError } from "../../error.ts";
import { JsonError, type JsonValue } from "../../json/exact-json.ts";
import { parseJsonInSlices } from "../../json/in-slices.ts";
import { wrongMediaType } from "./error-reply.ts";

/**
 * Accepts JSON and nothing else. An empty body counts as no body, whatever its type: `curl -d ''` says it is
 * a form.
 */
export function acceptJsonBodies(app: FastifyInstance, maxDepth: number): void {
  app.removeAllContentTypeParsers();
  app.addContentTypeParser(
    "application/json",
    { parseAs: "buffer" },
    async (_: FastifyRequest, body: Buffer) => (body.length === 0 ? undefined : parseBody(body, maxDepth)),
  );
  app.addContentTypeParser("*", { parseAs: "buffer" }, async (request: FastifyRequest, body: Buffer) => {
    if (body.length > 0) throw wrongMediaType(request.headers["content-type"]);
  });
}

async function parseBody(body: Buffer, maxDepth: number): Promise<JsonValue> {
  if (!isUtf8(body)) throw new SessiondError("invalid_request", "the body is not valid UTF-8");
  try {
    return await parseJsonInSlices(body.toString("utf8"), maxDepth);
  } catch (error) {
    if (!(error instanceof JsonError)) throw error;
    throw new SessiondError("invalid_request", `cannot read the body as JSON: ${error.message}`, {
      cause: error,
    });
  }
}

/**
 * Renders the route table as an OpenAPI 3.1 document, from which clients in other languages can be generated.
 */
import { z } from "zod";
import { errorCodes } from "../error.ts";
import type { JsonObject, JsonValue } from "../json/exact-json.ts";
import { channelProtocol } from "./channel.ts";
import { httpStatus, problemMediaType } from "./errors.ts";
import { infoReply, sessionReply, summaryAndHealthReply, summaryReply } from "./replies.ts";
import { type Endpoint, endpoints } from "./routes.ts";

/** Schemas that several endpoints share, with their names in generated code. */
const named = new Map<unknown, string>([
  [sessionReply, "Session"],
  [summaryReply, "SessionSummary"],
  [summaryAndHealthReply, "SessionSummaryAndHealth"],
  [infoReply, "Info"],
]);

/** The OpenAPI document of this version. */
export function openApiDocument(version: string): JsonObject {
  const paths: Record<string, Record<string, JsonValue>> = {};
  for (const [name, endpoint] of Object.entries(endpoints)) {
    const methods = paths[endpoint.path] ?? {};
    methods[endpoint.method.toLowerCase()] = operation(name, endpoint);
    paths[endpoint.path] = methods;
  }
  return {
    openapi: "3.1.0",
    info: {
      title: "sessiond control API",
      version,
      description:
        "HTTP/1.1 over a Unix socket. Unknown keys in a request are an error. Replies may gain keys.",
      license: { name: "MIT", identifier: "MIT" },
    },
    servers: [{ url: "http://localhost", description: "the host name does not matter on a Unix socket" }],
    paths,
    components: {
      schemas: {
        ...Object.fromEntries(
          [...named].map(([schema, name]) => [name, describe(schema as z.ZodType, { inFull: true })]),
        ),
        Problem: problemSchema,
      },
      responses: {
        Problem: {
          description: `An error, by its code: ${errorCodes.map((code) => `${code} (${httpStatus[code]})`).join(", ")}`,
          content: { [problemMediaType]: { schema: { $ref: "#/components/schemas/Problem" } } },
        },
      },
    },
  };
}

const problemSchema: JsonObject = {
  type: "object",
  description: "RFC 9457. Programs should decide by the code.",
  properties: {
    type: { type: "string", format: "uri" },
    title: { type: "string" },
    status: { type: "integer" },
    detail: { type: "string" },
    code: { type: "string", enum: errorCodes },
    issues: {
      type: "array",
      items: {
        type: "object",
        properties: { path: { type: "string" }, message: { type: "string" } },
        required: ["path", "message"],
      },
    },
    outcome: {
      type: "string",
      enum: ["unknown"],
      description: "present if the change may have happened in spite of the error",
    },
  },
  required: ["type", "title", "status", "detail", "code"],
};

function operation(name: string, route: Endpoint): JsonObject {
  const parameters = [...pathParameters(route), ...headerParameters(route), ...queryParameters(route)];
  return {
    operationId: name,
    summary: route.summary,
    ...(parameters.length === 0 ? {} : { parameters }),
    ...(route.body === undefined
      ? {}
      : {
          requestBody: {
            required: route.body.optional !== true,
            content: { "application/json": { schema: describe(route.body.schema) } },
          },
        }),
    responses: { ...success(name, route), default: { $ref: "#/components/responses/Problem" } },
  };
}

function success(name: string, route: Endpoint): JsonObject {
  if (route.event !== undefined) {
    const description = "a stream of Server-Sent Events; the schema is that of the data of one event";
    return { "200": { description, content: { "text/event-stream": { schema: describe(route.event) } } } };
  }
  if (route.reply === undefined) {
    const description = `switching to ${channelProtocol}: both sides send one JSON object a line`;
    return { [route.status ?? 101]: { description } };
  }
  const reply = {
    description: "success",
    content: { "application/json": { schema: describe(route.reply) } },
  };
  switch (name) {
    case "saveSession":
      return { "200": reply, "201": { ...reply, description: "created" } };
    case "getSession":
      return { "200": reply, "304": { description: "the session is in a state that If-None-Match names" } };
    case "getHealth":
      return { "200": reply, "503": { ...reply, description: "failed" } };
    default:
      return { [route.status ?? 200]: reply };
  }
}

function pathParameters(route: Endpoint): JsonObject[] {
  return [...route.path.matchAll(/\{(\w+)\}/g)].map((match) => ({
    name: match[1] as string,
    in: "path",
    required: true,
    schema: { type: "string" },
  }));
}

function headerParameters(route: Endpoint): JsonObject[] {
  return (route.headers ?? []).map((name) => ({
    name,
    in: "header",
    required: false,
    schema: { type: "string" },
    description: headerMeanings[name],
  }));
}

const headerMeanings = {
  "if-match": "only while the session has one of these entity tags; * for any state; else 412",
  "if-none-match":
    "only while the session has none of these entity tags; *: only if there is no such session",
  "sessiond-token": "the token of this worker's lease, to reconnect",
  "last-event-id": "continue after the event with this id; takes precedence over since",
};

function queryParameters(route: Endpoint): JsonObject[] {
  if (route.query === undefined) return [];
  const { properties } = describe(route.query) as { properties: Record<string, JsonObject> };
  return Object.entries(properties).map(([name, { description, ...schema }]) => ({
    name,
    in: "query",
    required: false,
    ...(description === undefined ? {} : { description }),
    schema,
  }));
}

/**
 * The JSON Schema of what a client sends or receives. `inFull` writes out a named schema instead of a
 * reference.
 */
function describe(schema: z.ZodType, { inFull = false } = {}): JsonObject {
  const { $schema: _, ...described } = z.toJSONSchema(schema, {
    io: "input",
    unrepresentable: "any",
    override: ({ zodSchema, jsonSchema, path }) => {
      const name = named.get(zodSchema);
      if (name !== undefined && !(inFull && path.length === 0)) {
        for (const key of Object.keys(jsonSchema)) delete jsonSchema[key];
        jsonSchema.$ref = `#/components/schemas/${name}`;
      }
      // zod adds the range of safe integers to every integer, which only clutters the document.
      if (jsonSchema.minimum === Number.MIN_SAFE_INTEGER) delete jsonSchema.minimum;
      if (jsonSchema.maximum === Number.MAX_SAFE_INTEGER) delete jsonSchema.maximum;
    },
  });
  return described as JsonObject;
}

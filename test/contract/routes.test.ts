import { expect, test } from "vitest";
import { z } from "zod";
import { eventKinds, resetReasons, streamEventSchema } from "../../src/contract/events.ts";
import { endpoints } from "../../src/contract/routes.ts";

/**
 * One line per endpoint. A line that changes is a change of the protocol: decide whether `protocolVersion`
 * must grow, and what an older client or daemon makes of it, before the file is written anew.
 */
test("the protocol is what it was", async () => {
  const lines = Object.entries(endpoints).map(([name, route]) =>
    JSON.stringify({
      name,
      method: route.method,
      path: route.path,
      status: route.status ?? 200,
      ...(route.query === undefined ? {} : { query: keysOf(route.query) }),
      ...(route.headers === undefined ? {} : { headers: route.headers }),
      ...(route.body === undefined
        ? {}
        : { body: keysOf(route.body.schema), body_optional: route.body.optional ?? false }),
      ...(route.reply === undefined ? {} : { reply: keysOf(route.reply) }),
      ...(route.event === undefined ? {} : { events: [...eventKinds, "reset", "dropped"] }),
    }),
  );
  await expect(`${lines.join("\n")}\n`).toMatchFileSnapshot("routes.jsonl");
});

test("every kind of event has its shape, and a reset its reasons", () => {
  const { anyOf } = z.toJSONSchema(streamEventSchema) as { anyOf: object[] };
  const text = JSON.stringify(anyOf);
  for (const kind of [...eventKinds, "reset", "dropped"])
    expect(text).toContain(`{"type":"string","const":"${kind}"}`);
  expect(text).toContain(JSON.stringify(resetReasons));
});

/** The keys of an object, with `?` where they may be absent and `…` where others may join them. */
function keysOf(schema: z.ZodType): string {
  const described = z.toJSONSchema(schema, { io: "input", unrepresentable: "any" });
  const required = new Set(described.required);
  const keys = Object.keys(described.properties ?? {}).map((key) => (required.has(key) ? key : `${key}?`));
  if (described.additionalProperties !== false) keys.push("…");
  return keys.join(" ");
}

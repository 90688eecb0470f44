import { expect, test } from "vitest";
import { openApiDocument } from "../../src/contract/openapi.ts";
import { endpoints } from "../../src/contract/routes.ts";

interface Operation {
  operationId: string;
  parameters?: { name: string; in: string; required: boolean; schema: object }[];
  requestBody?: { required: boolean; content: Record<string, { schema: object }> };
  responses: Record<string, { description?: string; $ref?: string }>;
}

// As a generator gets it.
const document = JSON.parse(JSON.stringify(openApiDocument("1.2.3"))) as {
  openapi: string;
  info: { version: string };
  paths: Record<string, Record<string, Operation>>;
};

test("every endpoint is described once, under its name", () => {
  expect([document.openapi, document.info.version]).toEqual(["3.1.0", "1.2.3"]);
  const operations = Object.values(document.paths).flatMap((methods) => Object.values(methods));
  expect(operations.map((operation) => operation.operationId).sort()).toEqual(Object.keys(endpoints).sort());
  for (const [name, route] of Object.entries(endpoints)) {
    const operation = document.paths[route.path]?.[route.method.toLowerCase()] as Operation;
    expect(operation.operationId).toBe(name);
    expect(Object.keys(operation.responses), name).toEqual([
      expect.stringMatching(/^(20[01]|101)$/),
      ...rest(operation),
    ]);
    expect(operation.responses.default, name).toEqual({ $ref: "#/components/responses/Problem" });
    expect(operation.requestBody !== undefined, name).toBe(route.body !== undefined);
  }
});

test("parameters are those of the path, the query and the headers", () => {
  const listFiles = document.paths["/v1/sessions/{id}/files"]?.get as Operation;
  expect(
    listFiles.parameters?.map((parameter) => [parameter.name, parameter.in, parameter.required]),
  ).toEqual([
    ["id", "path", true],
    ["state", "query", false],
    ["limit", "query", false],
    ["cursor", "query", false],
  ]);
  const list = document.paths["/v1/sessions"]?.get as Operation;
  expect(list.parameters?.find((parameter) => parameter.name === "status")?.schema).toMatchObject({
    type: "array",
    items: { enum: ["running", "paused", "completed", "failed"] },
  });
  const save = document.paths["/v1/sessions/{id}"]?.put as Operation;
  expect(save.parameters?.map((parameter) => parameter.name)).toEqual(["id", "if-match", "if-none-match"]);
  for (const [path, methods] of Object.entries(document.paths)) {
    for (const operation of Object.values(methods)) {
      const declared = operation.parameters?.filter((parameter) => parameter.in === "path") ?? [];
      expect(declared.map((parameter) => `{${parameter.name}}`)).toEqual(path.match(/\{\w+\}/g) ?? []);
    }
  }
});

test("every reference leads somewhere, and shared schemas are references", () => {
  const references = [...JSON.stringify(document).matchAll(/"\$ref":"#\/([^"]+)"/g)].map(
    (match) => match[1] as string,
  );
  expect(references).toContain("components/schemas/Session");
  expect(references).toContain("components/schemas/SessionSummary");
  for (const reference of new Set(references)) {
    let target: unknown = document;
    for (const step of reference.split("/")) target = (target as Record<string, unknown>)[step];
    expect(target, reference).toEqual(expect.any(Object));
    expect(Object.keys(target as object), reference).not.toContain("$ref");
  }
});

function rest(operation: Operation): string[] {
  return Object.keys(operation.responses).slice(1);
}

/** Reads the import statements of src/ and holds the arrows between its folders, and who may import what. */
import { readdirSync, readFileSync } from "node:fs";
import { dirname, join, relative, resolve } from "node:path";
import { expect, test } from "vitest";

const src = resolve(import.meta.dirname, "../src");

/** What each folder may import besides itself and the leaves, and why it knows of no more. */
const leaves = ["async", "json", "options", "text", "time"];
const arrows: Record<string, { may: string[]; because: string }> = {
  session: { may: [], because: "what a session is depends on nobody who keeps, serves or shows it" },
  contract: { may: ["session"], because: "the contract is shared by both sides and so knows neither" },
  store: { may: ["session", "contract"], because: "storage knows the shapes of the contract, not who asks" },
  retention: {
    may: ["session", "contract", "store"],
    because: "policies decide about sessions, whoever triggers them",
  },
  server: {
    may: ["session", "contract", "store", "retention"],
    because: "the server never reads configuration or talks to itself as a client",
  },
  client: { may: ["session", "contract"], because: "the client works against any daemon" },
  runner: {
    may: ["session", "contract", "client"],
    because: "a runner is a worker like any other, and knows no command line",
  },
  cli: {
    may: ["session", "contract", "client", "runner"],
    because: "sessionctl sees what every client sees",
  },
  config: {
    may: ["contract", "store", "retention", "server"],
    because: "it composes the owners' options and nothing else",
  },
  daemon: {
    may: ["session", "contract", "store", "retention", "server", "config"],
    because: "the composition root is no client",
  },
};

/** Exceptions, each for one file. */
const exceptions: Record<string, string[]> = {
  // The embedded SessionManager is the one place where client code opens a store.
  "client/manager/embedded.ts": ["store", "retention"],
};

/** Libraries that exactly one place knows, so that they can be replaced there. */
const onlyImporters: Record<string, (file: string) => boolean> = {
  "write-file-atomic": (file) => file === "store/directory/disk/durable-files.ts",
  chokidar: (file) => file === "store/directory/view/watcher.ts",
  "node-cron": (file) => file === "retention/schedule.ts",
  "lossless-json": (file) => file === "json/exact-json.ts",
  yaml: (file) => file.startsWith("config/"),
  "@fastify/websocket": (file) => file === "server/channel/route.ts",
  ws: (file) => file.startsWith("server/channel/") || file.startsWith("client/worker/"),
  "eventsource-parser": (file) => file === "client/events.ts",
  fastify: (file) => file.startsWith("server/"),
  commander: (file) => file.startsWith("cli/"),
  tinyglobby: (file) => file === "cli/run/sources.ts",
  "pino-pretty": (file) => file === "daemon/logger.ts",
  pino: (file) => file === "log.ts" || file.startsWith("daemon/"),
};

interface Import {
  file: string;
  typeOnly: boolean;
  specifier: string;
}

const files = readdirSync(src, { recursive: true, encoding: "utf8" }).filter((file) => file.endsWith(".ts"));

const imports: Import[] = files.flatMap((file) => {
  const text = readFileSync(join(src, file), "utf8");
  return [...text.matchAll(/^(?:import|export) (type )?(?:[^;"]*? from )?"([^"]+)"/gm)].map((match) => ({
    file,
    typeOnly: match[1] !== undefined,
    specifier: match[2] as string,
  }));
});

const folderOf = (path: string) => (path.includes("/") ? (path.split("/")[0] as string) : "");

test("the imports were found", () => {
  expect(imports.length).toBeGreaterThan(100);
  expect(new Set(files.map(folderOf))).toEqual(new Set(["", ...leaves, ...Object.keys(arrows)]));
});

test("folders import only along the arrows", () => {
  const wrong = imports
    .filter(({ specifier }) => specifier.startsWith("."))
    .map(({ file, specifier }) => ({ file, target: relative(src, resolve(src, dirname(file), specifier)) }))
    .filter(({ file, target }) => {
      const [from, to] = [folderOf(file), folderOf(target)];
      // A leaf, the manifest outside src, or the folder itself.
      if (to === "" || to === ".." || to === from || leaves.includes(to)) return false;
      return !(arrows[from]?.may.includes(to) || exceptions[file]?.includes(to));
    })
    .map(
      ({ file, target }) =>
        `${file} imports ${target}, but ${arrows[folderOf(file)]?.because ?? "leaves import no folder"}`,
    );
  expect(wrong).toEqual([]);
});

test("each wrapped library has one importer", () => {
  const wrong = imports.filter(({ file, specifier }) => onlyImporters[specifier]?.(file) === false);
  expect(wrong).toEqual([]);
});

test("what is in session/, contract/ and the policies is pure: no file, process or timer", () => {
  const effects = [
    "node:fs",
    "node:fs/promises",
    "node:child_process",
    "node:net",
    "node:http",
    "node:timers/promises",
  ];
  const wrong = imports.filter(
    ({ file, specifier, typeOnly }) =>
      !typeOnly &&
      effects.includes(specifier) &&
      (/^session\//.test(file) ||
        [
          "retention/policy.ts",
          "store/session-index.ts",
          "store/directory/view/file-catalog.ts",
          "store/directory/disk/session-codec.ts",
          "runner/selection.ts",
          "runner/template.ts",
          "runner/halt.ts",
          "runner/jobs.ts",
          "runner/keep-order.ts",
          "runner/captured.ts",
          "runner/result.ts",
        ].includes(file)),
  );
  expect(wrong).toEqual([]);
  for (const file of ["retention/policy.ts", "session/command.ts", "session/transition.ts"]) {
    expect(readFileSync(join(src, file), "utf8")).not.toMatch(
      /Date\.now|new Date\(\)|performance\.now|setTimeout/,
    );
  }
});

test("files are short enough to be read", () => {
  const long = files
    .map((file) => ({ file, lines: readFileSync(join(src, file), "utf8").split("\n").length }))
    .filter(({ lines }) => lines > 370);
  expect(long).toEqual([]);
});

/**
 * Reads the import statements of src/ and holds the layout: which room may import which, who may import a
 * library, what is pure, and that nothing goes in circles. Each rule carries its reason.
 */
import { readdirSync, readFileSync } from "node:fs";
import { dirname, join, relative, resolve } from "node:path";
import { expect, test } from "vitest";

const src = resolve(import.meta.dirname, "../src");

/** Rooms that everybody may import, because they know nothing of sessiond. */
const leaves = ["async", "files", "find", "host", "json", "options", "pacing", "text", "time"];

interface Room {
  may: string[];
  because: string;
}

/** What each folder of src/ may import besides itself and the leaves. */
const arrows: Record<string, Room> = {
  session: { may: [], because: "what a session is depends on nobody who keeps, serves or shows it" },
  contract: { may: ["session"], because: "the contract is shared by both sides and so knows neither" },
  personal: { may: ["contract"], because: "both sides ask what a store of one user is" },
  store: { may: ["session", "contract"], because: "storage knows the shapes of the contract, not who asks" },
  retention: {
    may: ["session", "contract", "store"],
    because: "policies decide about sessions, whoever triggers them",
  },
  server: {
    may: ["session", "contract", "store", "retention"],
    because: "the server never reads configuration or talks to itself as a client",
  },
  client: { may: ["session", "contract", "personal"], because: "the client works against any daemon" },
  runner: {
    may: ["session", "contract", "personal", "client"],
    because: "a runner is a worker like any other, and knows no command line",
  },
  cli: {
    may: ["session", "contract", "personal", "client", "runner"],
    because: "sessionctl sees what every client sees",
  },
  conformance: {
    may: ["session", "contract"],
    because: "the check of workers stands on the contract, and shares no code with the server that it plays",
  },
  config: {
    may: ["contract", "personal", "store", "retention", "server"],
    because: "it composes the owners' options and nothing else",
  },
  daemon: {
    may: ["session", "contract", "personal", "store", "retention", "server", "config"],
    because: "the composition root is no client",
  },
};

/**
 * What the rooms inside a folder may import of each other. The folder's own files are held by the rule on
 * circles.
 */
const innerArrows: Record<string, Record<string, Room>> = {
  session: { working: { may: [], because: "a session in memory is made of what a session is" } },
  store: {
    document: { may: [], because: "the bytes of a session are the same wherever they are kept" },
    directory: { may: ["document"], because: "a backend shares the encoding of documents, and no more" },
    postgres: { may: ["document"], because: "a backend shares the encoding of documents, and no more" },
  },
  "store/postgres": {
    connection: { may: [], because: "how to reach a database does not depend on its tables" },
    schema: { may: ["connection"], because: "tables do not depend on who reads and writes them" },
    view: { may: ["connection", "schema"], because: "rows are read without a document or a log" },
    log: {
      may: ["connection", "schema", "view"],
      because: "what a session is follows from its log, whoever appends",
    },
    feed: {
      may: ["connection", "schema", "view", "log"],
      because: "what has changed is told, whoever made the change",
    },
    leases: {
      may: ["connection", "schema", "view", "log", "feed"],
      because:
        "each change of a lease goes through the log of its session, and others hear of it by the feed",
    },
    changes: {
      may: ["connection", "schema", "log"],
      because: "a change is made through the log, whoever hears of it",
    },
  },
  "store/directory": {
    disk: { may: [], because: "files and bytes know nothing of what they are used for" },
    journal: { may: ["disk"], because: "the journal keeps reports, and no session" },
    view: { may: ["disk"], because: "what is in the directory does not depend on what is changed there" },
    reported: { may: ["disk", "journal"], because: "reports wait for their file, whoever writes it" },
    changes: {
      may: ["disk", "journal", "view", "reported"],
      because: "a change owns all that is known of its session",
    },
    trash: {
      may: ["disk", "view", "changes"],
      because: "a removal is a change, and no change knows the trash",
    },
  },
  server: {
    socket: { may: [], because: "who may connect does not depend on what is said" },
    http: { may: [], because: "HTTP knows no route" },
    events: { may: ["http"], because: "events are told over HTTP, whatever makes them" },
    channel: { may: ["http", "socket", "events"], because: "a worker's connection begins as a request" },
    routes: { may: ["http", "channel"], because: "a handler is given what it needs" },
  },
  client: {
    http: { may: [], because: "one request knows nothing of who makes it" },
    "on-demand": { may: ["http"], because: "which daemon answers does not depend on what is asked" },
    worker: { may: ["http"], because: "a worker needs a connection, and no client" },
    manager: { may: ["http", "worker"], because: "the manager stands on everything else" },
  },
  cli: {
    progress: { may: [], because: "a display shows numbers, wherever they come from" },
    service: { may: [], because: "installing a service needs no daemon" },
    telling: { may: [], because: "whoever is told of events decides what they mean" },
    top: { may: ["progress"], because: "the screen draws the same bars" },
    run: { may: ["progress"], because: "a run shows its progress" },
    results: { may: [], because: "formats write what was recorded, whoever recorded it" },
    commands: {
      may: ["progress", "service", "top", "run", "results", "telling"],
      because: "a command composes the rooms",
    },
  },
  daemon: { systemd: { may: [], because: "the service manager does not care what the daemon does" } },
};

/** Exceptions, each for one file. */
const exceptions: Record<string, string[]> = {
  // The embedded SessionManager is the one place where client code opens a store.
  "client/manager/embedded.ts": ["store", "retention"],
};

/** All that the rooms above storage may import of it: the seam, and what picks a backend. */
const seam = ["store/session-store.ts", "store/open-store.ts"];
/** The rooms of storage that all backends share. */
const shared = ["store/document"];
const backendOptions = /^store\/\w+\/options\.ts$/;

/** Libraries that exactly one place knows, so that they can be replaced there. */
const onlyImporters: Record<string, (file: string) => boolean> = {
  "write-file-atomic": (file) => file.startsWith("store/directory/disk/"),
  chokidar: (file) => file === "store/directory/view/watcher.ts",
  "node-cron": (file) => file === "retention/schedule.ts",
  "lossless-json": (file) => file === "json/exact-json.ts",
  pg: (file) => file.startsWith("store/postgres/connection/"),
  yaml: (file) => file.startsWith("config/"),
  "eventsource-parser": (file) => file === "client/events.ts",
  fastify: (file) => file.startsWith("server/"),
  commander: (file) => file.startsWith("cli/"),
  "@isaacs/nonrecursive-glob-match": (file) => file === "find/segment.ts",
  "pino-pretty": (file) => file === "daemon/logger.ts",
  pino: (file) => file === "log.ts" || file.startsWith("daemon/"),
};

/** What must be pure: it touches no file, process, connection or timer. */
const pure = [
  /^session\//,
  /^contract\//,
  /^retention\/(policy|limits)\.ts$/,
  /^cli\/(telling\/known-sessions|run\/tag|run\/arguments-after)\.ts$/,
  /^find\/(braces|brackets|excludes|pattern|segment|sequence)\.ts$/,
  /^store\/(session-index|change-conditions|generation|lease-rules)\.ts$/,
  /^store\/directory\/view\/file-catalog\.ts$/,
  /^store\/document\//,
  /^store\/postgres\/connection\/(failure|pass-file|postgres-url|server-state|statement)\.ts$/,
  /^store\/postgres\/feed\/(telling|same-summary)\.ts$/,
  /^store\/postgres\/leases\/(host-id|steadiness|told-leases)\.ts$/,
  /^store\/postgres\/schema\/(names|tables)\.ts$/,
  /^store\/postgres\/view\/(activity-order|label-element|list-statement|search-text|summary-row)\.ts$/,
  /^store\/directory\/disk\/session-file\.ts$/,
  /^pacing\//,
  /^runner\/(defer-on|retry-after|unseen|selection|template|halt|jobs|keep-order|captured|result)\.ts$/,
];
const effects = [
  "node:fs",
  "node:fs/promises",
  "node:child_process",
  "node:net",
  "node:http",
  "node:timers",
  "node:timers/promises",
  "node:worker_threads",
];

interface Import {
  file: string;
  typeOnly: boolean;
  specifier: string;
  /** The file of src/ that is imported, if it is one. */
  target: string | undefined;
}

const files = readdirSync(src, { recursive: true, encoding: "utf8" }).filter((file) => file.endsWith(".ts"));
const textOf = (file: string) => readFileSync(join(src, file), "utf8");

const imports: Import[] = files.flatMap((file) =>
  [...textOf(file).matchAll(/^(?:import|export) (type )?(?:[^;"]*? from )?"([^"]+)"/gm)].map((match) => {
    const specifier = match[2] as string;
    const path = specifier.startsWith(".")
      ? relative(src, resolve(src, dirname(file), specifier))
      : undefined;
    const target = path?.startsWith("..") ? undefined : path;
    return { file, typeOnly: match[1] !== undefined, specifier, target };
  }),
);
const inside = imports.filter((one): one is Import & { target: string } => one.target !== undefined);

/** The folder of src/ that a file is in; empty for the few files directly in src/. */
const topOf = (file: string) => (file.includes("/") ? (file.split("/")[0] as string) : "");
const isWithin = (file: string, folder: string) => file.startsWith(`${folder}/`);
const folders = new Set(files.map((file) => dirname(file)));

test("the imports were found", () => {
  expect(inside.length).toBeGreaterThan(500);
  expect(new Set(files.map(topOf))).toEqual(new Set(["", ...leaves, ...Object.keys(arrows)]));
  const inner = Object.entries(innerArrows).flatMap(([folder, rooms]) =>
    Object.keys(rooms).map((room) => `${folder}/${room}`),
  );
  const nested = [...folders].filter((folder) => folder.includes("/"));
  expect(new Set(nested)).toEqual(new Set(inner));
});

test("each room says in a header what it owns and what it does not know", () => {
  const silent = [...folders].filter((folder) => {
    const texts = files.filter((file) => dirname(file) === folder).map(textOf);
    return folder !== "." && !texts.some((text) => text.includes(` * The room ${folder}/ owns `));
  });
  expect(silent).toEqual([]);
});

test("folders import only along the arrows", () => {
  const wrong = inside
    .filter(({ file, target }) => {
      const [from, to] = [topOf(file), topOf(target)];
      if (to === "" || to === from) return false;
      if (leaves.includes(to)) return from === "";
      return !(arrows[from]?.may.includes(to) || exceptions[file]?.includes(to));
    })
    .map(
      ({ file, target }) =>
        `${file} imports ${target}, but ${arrows[topOf(file)]?.because ?? "leaves know nothing of sessiond"}`,
    );
  expect(wrong).toEqual([]);
});

test("rooms inside a folder import only along its arrows", () => {
  const wrong = Object.entries(innerArrows).flatMap(([folder, rooms]) =>
    inside.flatMap(({ file, target }) => {
      if (!isWithin(file, folder) || !isWithin(target, folder)) return [];
      const [from, to] = [file, target].map((path) => path.slice(folder.length + 1));
      const [fromRoom, toRoom] = [topOf(from as string), topOf(to as string)];
      if (fromRoom === "" || toRoom === "" || fromRoom === toRoom) return [];
      const room = rooms[fromRoom];
      return room?.may.includes(toRoom) ? [] : [`${file} imports ${target}, but ${room?.because}`];
    }),
  );
  expect(wrong).toEqual([]);
});

test("above storage nobody knows more than the seam, and who picks a backend", () => {
  const wrong = inside
    .filter(({ file, target }) => isWithin(target, "store") && !isWithin(file, "store"))
    .filter(({ target }) => !seam.includes(target))
    .filter(({ file, target }) => !(isWithin(file, "config") && backendOptions.test(target)))
    .map(({ file, target }) => `${file} imports ${target}, which is one backend's own affair`);
  expect(wrong).toEqual([]);
});

test("backends do not know each other, nor what picks one of them", () => {
  const rooms = readdirSync(join(src, "store"), { withFileTypes: true }).filter((entry) =>
    entry.isDirectory(),
  );
  const wrong = rooms.flatMap(({ name }) =>
    inside
      .filter(({ file }) => isWithin(file, `store/${name}`))
      .filter(({ target }) => isWithin(target, "store") && !isWithin(target, `store/${name}`))
      .filter(({ target }) => !shared.some((room) => isWithin(target, room)))
      .filter(({ target }) => target.split("/").length > 2 || target === "store/open-store.ts")
      .map(({ file, target }) => `${file} imports ${target}`),
  );
  expect(wrong).toEqual([]);
});

test("no files import each other in a circle at run time", () => {
  expect(circles(inside.filter(({ typeOnly }) => !typeOnly))).toEqual([]);
});

test("no folders import each other in a circle, not even for types", () => {
  // The files of a folder with rooms in it stand above or below these rooms, so each of them counts by
  // itself.
  const hasRooms = (folder: string) =>
    folder === "." || [...folders].some((other) => isWithin(other, folder));
  const node = (file: string) => (hasRooms(dirname(file)) ? file : dirname(file));
  const between = inside.map(({ file, target }) => ({ file: node(file), target: node(target) }));
  expect(circles(between.filter(({ file, target }) => file !== target))).toEqual([]);
});

test("each wrapped library has one importer", () => {
  const wrong = imports
    .filter(({ file, specifier }) => onlyImporters[specifier]?.(file) === false)
    .map(({ file, specifier }) => `${file} imports ${specifier}`);
  expect(wrong).toEqual([]);
});

test("the directory store reaches files through its FileSystem alone", () => {
  const wrong = files
    .filter(
      (file) => isWithin(file, "store/directory") && file !== "store/directory/disk/node-file-system.ts",
    )
    .flatMap((file) =>
      [...textOf(file).matchAll(/^import ([^;"]*?) from "node:fs(?:\/promises)?"/gm)]
        // Flags and types touch no file.
        .filter(
          ([, names]) => !/^(?:type )?\{ (?:type \w+, )?(?:constants|BigIntStats) \}$/.test(names as string),
        )
        .map(([statement]) => `${file}: ${statement}`),
    );
  expect(wrong).toEqual([]);
});

test("what must be pure imports nothing that has effects, and takes the time as a parameter", () => {
  const isPure = (file: string) => pure.some((pattern) => pattern.test(file));
  const wrong = imports
    .filter(({ file, specifier, typeOnly }) => !typeOnly && effects.includes(specifier) && isPure(file))
    .map(({ file, specifier }) => `${file} imports ${specifier}`);
  const impure = /Date\.now|new Date\(\)|performance\.now|set(Timeout|Interval|Immediate)\(|Math\.random/;
  for (const file of files.filter(isPure)) {
    const found = impure.exec(textOf(file));
    if (found !== null) wrong.push(`${file} calls ${found[0]}`);
  }
  expect(wrong).toEqual([]);
});

test("files are short enough to be read", () => {
  // A table is as long as what it lists.
  const tables = ["contract/routes.ts"];
  const isCode = (line: string) => !/^\s*(\/\/|\/?\*|$)/.test(line);
  const long = files
    .map((file) => ({ file, lines: textOf(file).split("\n").filter(isCode).length }))
    .filter(({ file, lines }) => lines > 260 && !tables.includes(file));
  expect(long).toEqual([]);
});

/** Each circle once, as its nodes in order. */
function circles(edges: readonly { file: string; target: string }[]): string[] {
  const targets = new Map<string, Set<string>>();
  for (const { file, target } of edges) targets.set(file, (targets.get(file) ?? new Set()).add(target));
  const found: string[] = [];
  const path: string[] = [];
  const done = new Set<string>();
  const visit = (node: string): void => {
    const at = path.indexOf(node);
    if (at >= 0) found.push([...path.slice(at), node].join(" → "));
    if (at >= 0 || done.has(node)) return;
    path.push(node);
    for (const target of targets.get(node) ?? []) visit(target);
    path.pop();
    done.add(node);
  };
  for (const node of targets.keys()) visit(node);
  return found;
}

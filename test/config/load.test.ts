import { chmodSync, existsSync, mkdirSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import fc from "fast-check";
import { describe, expect, onTestFinished, test } from "vitest";
import { systemConfigFile } from "../../src/config/config-file.ts";
import { loadConfig } from "../../src/config/load.ts";
import { formatDuration, parseDuration } from "../../src/time/duration.ts";
import { tempDir } from "../support/temp-dir.ts";
import { configError, loader } from "./config-text.ts";

const day = 86_400_000;

const defaults = {
  storage: { kind: "directory", maxLagMs: 1000, rescanIntervalMs: 60_000 },
  worker: { reattachGraceMs: 10_000, onLost: "pause" },
  cleanup: {
    timezone: "UTC",
    onMissed: "run_once",
    maxDeleteRatio: 0.5,
    completed: { enabled: true, schedule: "0 3 * * *", keepRecent: 10 },
    expired: { enabled: true, schedule: "30 3 * * *", maxAgeMs: 30 * day },
    failed: { enabled: true, schedule: "0 4 * * *", maxAgeMs: 7 * day },
  },
  trash: { enabled: true, retentionMs: 7 * day, schedule: "30 4 * * *" },
  limits: {
    bodyBytes: 64 * 1024 * 1024,
    depth: 64,
    values: 5_000_000,
    bufferedBytes: 256 * 1024 * 1024,
    connections: 1024,
    requestTimeoutMs: 30_000,
  },
  log: { level: "info" },
};

function writeConfig(directory: string, name: string, text: string): string {
  const path = join(directory, name);
  writeFileSync(path, text);
  return path;
}

describe("what a file says", () => {
  test("every key is read", async () => {
    const { load, directory, file } = await loader();
    const text = `
sessions_dir: data
socket: { path: run/s.sock, mode: "640", group: analysts }
storage: { max_lag: 500ms, rescan_interval: 1h30min }
worker: { reattach_grace: 0, on_lost: leave }
cleanup:
  timezone: Europe/Berlin
  on_missed: skip
  max_delete_ratio: 1
  max_delete_count: 1000
  completed: { enabled: false, schedule: "*/5 * * * *", keep_recent: 0 }
  expired: { enabled: false, schedule: "0 0 1 * *", max_age: 2w }
  failed: { enabled: false, schedule: "0 0 * * sun", max_age: 0 }
trash: { enabled: false, retention: 0, schedule: "0 12 * * *" }
limits: { body: 1.5MiB, depth: 500, values: 5000000, buffered: 8MiB, connections: 10, request_timeout: 2min }
log: { level: debug }
`;
    expect(load(text)).toEqual({
      file,
      storage: {
        kind: "directory",
        directory: join(directory, "data"),
        maxLagMs: 500,
        rescanIntervalMs: 5_400_000,
      },
      socket: { path: join(directory, "run/s.sock"), mode: 0o640, group: "analysts" },
      worker: { reattachGraceMs: 0, onLost: "leave" },
      cleanup: {
        timezone: "Europe/Berlin",
        onMissed: "skip",
        maxDeleteRatio: 1,
        maxDeleteCount: 1000,
        completed: { enabled: false, schedule: "*/5 * * * *", keepRecent: 0 },
        expired: { enabled: false, schedule: "0 0 1 * *", maxAgeMs: 14 * day },
        failed: { enabled: false, schedule: "0 0 * * sun", maxAgeMs: 0 },
      },
      trash: { enabled: false, retentionMs: 0, schedule: "0 12 * * *" },
      limits: {
        bodyBytes: 1.5 * 1024 * 1024,
        depth: 500,
        values: 5_000_000,
        bufferedBytes: 8 * 1024 * 1024,
        connections: 10,
        requestTimeoutMs: 120_000,
      },
      log: { level: "debug" },
    });
  });

  const empty = [
    ["an empty file", ""],
    ["comments alone", "# nothing\n\n"],
    ["an empty document", "---\n...\n"],
    ["null", "~\n"],
    ["empty sections", "socket:\nstorage:\nworker:\ncleanup:\ntrash:\nlimits:\nlog:\n"],
    ["empty policies", "cleanup:\n  completed:\n  expired: ~\n  failed: {}\n"],
  ] as const;
  test.each(empty)("%s means the defaults", async (_name, text) => {
    const { load, directory, file } = await loader();
    expect(load(text)).toEqual({
      ...defaults,
      file,
      storage: { ...defaults.storage, directory: join(directory, ".sessions") },
      socket: { path: join(directory, ".sessions/.sessiond/sessiond.sock"), mode: 0o600 },
    });
  });

  test("the socket is open to a group that is named, and else to the owner alone", async () => {
    const { load } = await loader();
    expect(load("socket: { group: staff }").socket).toMatchObject({ mode: 0o660, group: "staff" });
    expect(load('socket: { group: staff, mode: "0600" }').socket.mode).toBe(0o600);
    expect(load("").socket).not.toHaveProperty("group");
  });

  test("an anchor stands for its value", async () => {
    const { load } = await loader();
    const { cleanup } = load(
      'cleanup:\n  expired: { schedule: &nightly "5 1 * * *" }\n  failed: { schedule: *nightly }\n',
    );
    expect(cleanup.failed.schedule).toBe("5 1 * * *");
  });

  test("all of it is frozen", async () => {
    const { load } = await loader();
    const visit = (value: unknown): void => {
      if (typeof value !== "object" || value === null) return;
      expect(Object.isFrozen(value)).toBe(true);
      Object.values(value).forEach(visit);
    };
    visit(load("socket: { group: staff }"));
  });

  test("durations and numbers arrive as they were written", async () => {
    const { load } = await loader();
    const policy = fc.record({
      age: fc.integer({ min: 1000, max: parseDuration("36500d") }),
      keep: fc.integer({ min: 0, max: 1_000_000 }),
      ratio: fc.double({ min: 0, max: 1, noNaN: true }),
    });
    fc.assert(
      fc.property(policy, ({ age, keep, ratio }) => {
        const { cleanup } = load(
          JSON.stringify({
            cleanup: {
              max_delete_ratio: ratio,
              completed: { keep_recent: keep },
              expired: { max_age: formatDuration(age) },
            },
          }),
        );
        expect(cleanup.expired.maxAgeMs).toBe(age);
        expect(cleanup.completed.keepRecent).toBe(keep);
        expect(cleanup.maxDeleteRatio).toBe(ratio === 0 ? cleanup.maxDeleteRatio : ratio);
      }),
      { numRuns: 100 },
    );
  });
});

describe("which file is read", () => {
  test("the flag wins over the environment", async () => {
    const directory = await tempDir();
    const named = writeConfig(directory, "flag.yaml", "log: { level: warn }");
    const env = { SESSIOND_CONFIG: writeConfig(directory, "env.yaml", "log: { level: error }") };
    expect(loadConfig({ flags: { config: named }, env, cwd: "/" })).toMatchObject({
      file: named,
      log: { level: "warn" },
    });
    expect(loadConfig({ flags: {}, env, cwd: "/" })).toMatchObject({
      file: env.SESSIOND_CONFIG,
      log: { level: "error" },
    });
  });

  test("a relative name begins at the working directory", async () => {
    const directory = await tempDir();
    const file = writeConfig(directory, "a.yaml", "");
    expect(loadConfig({ flags: { config: "a.yaml" }, env: {}, cwd: directory }).file).toBe(file);
    expect(loadConfig({ flags: {}, env: { SESSIOND_CONFIG: "./a.yaml" }, cwd: directory }).file).toBe(file);
  });

  test.skipIf(existsSync(systemConfigFile))("none at all suits a person in a terminal", async () => {
    const cwd = await tempDir();
    expect(loadConfig({ flags: {}, env: { SESSIOND_CONFIG: "" }, cwd })).toEqual({
      ...defaults,
      file: null,
      storage: { ...defaults.storage, directory: join(cwd, ".sessions") },
      socket: { path: join(cwd, ".sessions/.sessiond/sessiond.sock"), mode: 0o600 },
    });
    const env = { XDG_RUNTIME_DIR: "/run/user/1000" };
    expect(loadConfig({ flags: {}, env, cwd }).socket.path).toBe("/run/user/1000/sessiond.sock");
  });
});

describe("what wins", () => {
  test("flags win over the file, and leave the rest of it", async () => {
    const { load, directory } = await loader();
    const text = "sessions_dir: /a\nsocket: { path: /a.sock, group: staff }\nlog: { level: warn }\n";
    expect(load(text)).toMatchObject({ storage: { directory: "/a" }, socket: { path: "/a.sock" } });
    expect(load(text, { sessionsDir: "b", socket: "b.sock", logLevel: "debug" })).toMatchObject({
      storage: { directory: join(directory, "b") },
      socket: { path: join(directory, "b.sock"), mode: 0o660, group: "staff" },
      log: { level: "debug" },
    });
  });

  test("without a socket path, the socket goes with the sessions directory or the user's session", async () => {
    const { load } = await loader();
    expect(load("sessions_dir: /data").socket.path).toBe("/data/.sessiond/sessiond.sock");
    expect(load("", { sessionsDir: "/other" }).socket.path).toBe("/other/.sessiond/sessiond.sock");
    const env = { XDG_RUNTIME_DIR: "/run/user/7" };
    expect(load("sessions_dir: /data", {}, env).socket.path).toBe("/run/user/7/sessiond.sock");
  });
});

describe("socket paths too long for the system", () => {
  const long = "d".repeat(100);

  test("made long by the working directory: at the place of the relative path", async () => {
    const directory = await tempDir();
    const file = writeConfig(directory, "a.yaml", "socket:\n  path: s.sock\n");
    const cwd = `/${long}`;
    const error = configError(() => loadConfig({ flags: { config: file }, env: {}, cwd }));
    expect(error.problems).toEqual([
      expect.objectContaining({ file, line: 2, column: 9, key: "socket.path" }),
    ]);
    expect(error.message).toContain(`/${long}/s.sock has 108 bytes, but a socket path can have at most 107`);
  });

  test("given by flag, and by default", async () => {
    const { problems } = await loader();
    expect(problems("", { socket: `/${long}/12345.sock` })).toEqual([
      expect.stringMatching(/^--socket: .* has 112 bytes/),
    ]);
    expect(problems("", { sessionsDir: `/${long}` })).toEqual([
      expect.stringMatching(
        /^socket\.path: the default is too long: .* has 125 bytes, .*, with --socket or in the file$/,
      ),
    ]);
    expect(problems(`sessions_dir: /${long}`)).toHaveLength(1);
  });

  test("107 bytes are accepted", async () => {
    const { load } = await loader();
    const path = `/${"p".repeat(106)}`;
    expect(load(`socket: { path: ${path} }`).socket.path).toBe(path);
    expect(load("", { socket: path }).socket.path).toBe(path);
  });
});

describe("a file that cannot be read", () => {
  const refusal = (config: string, env: NodeJS.ProcessEnv = {}) =>
    configError(() => loadConfig({ flags: config === "" ? {} : { config }, env, cwd: "/" }));

  test("that is missing", async () => {
    const path = join(await tempDir(), "none.yaml");
    expect(refusal(path).message).toBe(`${path}: file not found (given by --config)`);
    expect(refusal("", { SESSIOND_CONFIG: path }).message).toBe(
      `${path}: file not found (given by $SESSIOND_CONFIG)`,
    );
    expect(refusal(path).problems).toEqual([
      expect.objectContaining({ file: path, line: null, column: null, key: "" }),
    ]);
  });

  test("that has no name", () => {
    expect(configError(() => loadConfig({ flags: { config: "" }, env: {}, cwd: "/" })).message).toBe(
      "--config: is empty; give the path of a file",
    );
  });

  test("that is a directory, below a file, or a link to itself", async () => {
    const directory = await tempDir();
    expect(refusal(directory).message).toContain(
      "is a directory; give the path of a file in it (given by --config)",
    );
    const file = writeConfig(directory, "a.yaml", "");
    expect(refusal(join(file, "b.yaml")).message).toContain("a part of the path is not a directory");
    const link = join(directory, "link.yaml");
    symlinkSync(link, link);
    expect(refusal(link).message).toContain("too many symbolic links, or a loop of them");
  });

  test("that this user may not read", async () => {
    const directory = join(await tempDir(), "closed");
    mkdirSync(directory);
    const file = writeConfig(directory, "a.yaml", "log: {}");
    chmodSync(file, 0);
    asUnprivileged();
    expect(refusal(file).message).toContain("permission denied; let this user read the file");
  });
});

/** Root may read anything, so for the rest of a test root is nobody. */
function asUnprivileged(): void {
  if (process.geteuid?.() !== 0) return;
  process.seteuid?.(65_534);
  onTestFinished(() => process.seteuid?.(0));
}

/**
 * Output that cannot be written whole, before the real program: full devices and disks, limits of a file's
 * size, readers that leave or are slow.
 */
import { spawn } from "node:child_process";
import { once } from "node:events";
import {
  chmodSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  statSync,
  symlinkSync,
  watch,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { buffer } from "node:stream/consumers";
import { setTimeout as sleep } from "node:timers/promises";
import { describe, expect, onTestFinished, test } from "vitest";
import { canMount } from "../e2e/capability.ts";
import { smallDisk } from "../e2e/small-disk.ts";
import { sessiondProgram } from "../support/daemon-process.ts";
import { isLong } from "../support/runs.ts";
import { tempDir } from "../support/temp-dir.ts";
import {
  type CommandLine,
  commandLine,
  outcome,
  sessionctlProgram,
  start,
  withSessions,
} from "./command-line.ts";
import { commandNames, everyCommand } from "./every-command.ts";
import type { Outcome } from "./in-process.ts";

/** Runs a program with its output redirected by a line of sh, where `"$@"` stands for the program. */
function redirected(line: string, program: string, args: readonly string[]): Promise<Outcome> {
  return outcome(start("sh", ["-c", line, "sh", process.execPath, program, ...args]));
}

/** Runs a program whose standard output nobody reads. */
async function unread(program: string, args: readonly string[]): Promise<Outcome> {
  const child = spawn(process.execPath, [program, ...args], { stdio: ["ignore", "pipe", "pipe"] });
  onTestFinished(() => void child.kill("SIGKILL"));
  child.stdout.destroy();
  const said = buffer(child.stderr);
  const [code] = (await once(child, "close")) as [number | null];
  return { code, stdout: "", stderr: String(await said) };
}

const notComplete = (program: string, reason: string) =>
  `${program}: the output is not complete: ${reason}\n`;
const files = Array.from({ length: 10_000 }, (_, at) => `src/some/directory/file-${at}.ts`);

/** A session whose document is about 400 KiB. */
async function withLargeSession(): Promise<CommandLine & { ctl: (...args: string[]) => string[] }> {
  const cli = await commandLine();
  await cli.feed(files.join("\n"), "create", "src", "--id", "big", "--files-from", "-");
  await cli.run("create", "src", "--id", "other");
  await cli.run("backup", "big");
  return { ...cli, ctl: (...args) => ["--socket", cli.socketPath, ...args] };
}

const large = [
  ["export", "big"],
  ["show", "big", "--json"],
  ["files", "big"],
  ["files", "big", "--json"],
];

test("the table of commands is complete", () => {
  // The service suite tries those that need systemd, the tests of daemons on demand end such a daemon, and
  // those of shared sessions have workers to evict.
  const elsewhere = ["service install", "service uninstall", "service status", "events", "stop", "evict"];
  const known = Object.keys(everyCommand({ id: "", directory: "" }));
  expect([...known, ...elsewhere].sort()).toEqual(commandNames().sort());
});

/** What `npm test` tries: `npm run test:long` tries every command. */
const someCommands = ["list", "show", "export", "run", "cleanup completed"];

test.each(["the device is full", "nobody reads"])(
  "every command when %s",
  async (what) => {
    const { run, socketPath } = await withSessions("big", "other");
    const place = await tempDir();
    // A table without a row would be no output.
    await run("progress", "big", "--results", '{"a result": 1}');
    await run("backup", "big");
    expect(await run("export", "big", "-o", join(place, "exported.json"))).toMatchObject({ code: 0 });
    const isFull = what === "the device is full";
    for (const [name, forms] of Object.entries(everyCommand({ id: "big", directory: place }))) {
      if (!isLong && !someCommands.includes(name)) continue;
      for (const form of isFull ? forms : forms.slice(0, 1)) {
        const args = ["--socket", socketPath, ...form];
        const { code, stderr } = isFull
          ? await redirected('"$@" > /dev/full', sessionctlProgram, args)
          : await unread(sessionctlProgram, args);
        const reason = "no space left on device";
        const said = notComplete("sessionctl", reason);
        expect({ form, code, stderr }).toEqual({
          form,
          code: isFull ? 1 : 0,
          stderr: isFull ? expect.stringContaining(said) : expect.not.stringMatching(/sessionctl: /),
        });
        // A stack is no message.
        expect(stderr).not.toMatch(/\n +at /);
      }
    }
  },
  isLong ? 120_000 : 20_000,
);

test("a command that changes sessions changes all of them, whether or not its reader stays", async () => {
  const { ctl, run } = await withLargeSession();
  expect(await unread(sessionctlProgram, ctl("--quiet", "pause", "big", "other"))).toMatchObject({ code: 0 });
  expect(JSON.parse((await run("list", "--json")).stdout)).toMatchObject({
    sessions: [{ status: "paused" }, { status: "paused" }],
  });
  const full = await redirected(
    '"$@" > /dev/full',
    sessionctlProgram,
    ctl("--quiet", "resume", "big", "other"),
  );
  expect(full).toMatchObject({ code: 1, stderr: notComplete("sessionctl", "no space left on device") });
  expect((await run("list", "--status", "running", "--quiet")).stdout.trim().split("\n")).toHaveLength(2);
});

test("events end when nobody reads them", async () => {
  const { ctl, run } = await withLargeSession();
  for (const line of ['"$@" > /dev/full', '{ "$@"; echo "exit $?" >&2; } | head -n 1']) {
    const following = redirected(line, sessionctlProgram, ctl("--json", "events"));
    let over = false;
    void following.then(() => {
      over = true;
    });
    for (let at = 0; !over; at++) {
      await run("label", "other", `n=${at}`);
      await sleep(20);
    }
    if (line.includes("full")) expect(await following).toMatchObject({ code: 1 });
    else expect(await following).toMatchObject({ stderr: expect.stringMatching(/exit 0\n$/) });
  }
});

test.each(large)(
  "%s %s, whole for a slow reader and beyond the limit of a file's size",
  async (...command) => {
    const { ctl, run } = await withLargeSession();
    const { stdout } = await run(...command);
    expect(stdout.length).toBeGreaterThan(300_000);
    const args = ctl(...command);
    expect((await redirected('"$@" | { sleep 0.3; cat; }', sessionctlProgram, args)).stdout).toBe(stdout);

    const file = join(await tempDir(), "out");
    const limited = await redirected(`ulimit -f 100; "$@" > '${file}'`, sessionctlProgram, args);
    expect(limited).toMatchObject({ code: 1, stderr: notComplete("sessionctl", "file too large") });
    expect(await redirected(`"$@" > '${file}'`, sessionctlProgram, args)).toMatchObject({ code: 0 });
    expect(readFileSync(file, "utf8")).toBe(stdout);
  },
);

test("standard error that cannot be written changes nothing", async () => {
  const { ctl } = await withLargeSession();
  for (const sink of ["2> /dev/full", "2>&-"]) {
    const line = `"$@" ${sink}`;
    expect(await redirected(line, sessionctlProgram, ctl("doctor"))).toMatchObject({ code: 0 });
    expect(await redirected(line, sessionctlProgram, ctl("-q", "show", "big"))).toEqual({
      code: 0,
      stdout: "big\n",
      stderr: "",
    });
    expect(await redirected(line, sessionctlProgram, ctl("show", "nobody"))).toMatchObject({ code: 4 });
    expect(await redirected(line, sessionctlProgram, ["no-such-command"])).toMatchObject({ code: 2 });
    expect(await redirected(line, sessiondProgram, ["--nonsense"])).toMatchObject({ code: 64 });
  }
});

test.each(["--help", "--version", "--check-config"])("sessiond %s", async (flag) => {
  const full = await redirected('"$@" > /dev/full', sessiondProgram, [flag]);
  expect(full).toEqual({ code: 1, stdout: "", stderr: notComplete("sessiond", "no space left on device") });
  expect(await unread(sessiondProgram, [flag])).toMatchObject({ code: 0, stderr: "" });
});

describe("export -o", () => {
  const names = (directory: string) => readdirSync(directory).sort();

  test("keeps the mode of an earlier file, and follows links", async () => {
    const { run } = await withLargeSession();
    const { stdout } = await run("export", "big");
    const directory = await tempDir();
    const at = (name: string) => join(directory, name);
    writeFileSync(at("private"), "earlier", { mode: 0o600 });
    chmodSync(at("private"), 0o640);
    symlinkSync("private", at("link"));
    symlinkSync("created", at("dangling"));
    for (const [given, target] of [
      ["private", "private"],
      ["link", "private"],
      ["dangling", "created"],
      ["new", "new"],
    ] as const) {
      expect(await run("export", "big", "-o", at(given))).toMatchObject({ code: 0 });
      expect(readFileSync(at(target), "utf8")).toBe(stdout);
    }
    expect(statSync(at("private")).mode & 0o777).toBe(0o640);
    expect(readlinkSync(at("link"))).toBe("private");
    expect(names(directory)).toEqual(["created", "dangling", "link", "new", "private"]);
  });

  test("writes to devices, pipes and open files as they are", async () => {
    const { run, ctl } = await withLargeSession();
    const { stdout } = await run("export", "big");
    const directory = await tempDir();
    const to = (file: string, line: string) =>
      redirected(
        line.replace("OUT", join(directory, "out")),
        sessionctlProgram,
        ctl("export", "big", "-o", file),
      );
    expect(await to("/dev/stdout", '"$@" | cat')).toMatchObject({ stdout });
    expect(await to("/dev/stdout", '{ echo before; "$@"; echo after; } > OUT')).toMatchObject({ code: 0 });
    expect(readFileSync(join(directory, "out"), "utf8")).toBe(`before\n${stdout}after\n`);
    expect(await to("-", '"$@"')).toMatchObject({ code: 0, stdout });
    expect(await to("/dev/null", '"$@"')).toMatchObject({ code: 0, stdout: "" });
    const [pipe, read] = [join(directory, "pipe"), join(directory, "read")];
    const line = `mkfifo '${pipe}'; cat '${pipe}' > '${read}' & "$@"; wait`;
    expect(await to(pipe, line)).toMatchObject({ code: 0 });
    expect(readFileSync(read, "utf8")).toBe(stdout);
    expect(await to("/dev/full", '"$@"')).toMatchObject({
      code: 1,
      stderr: "sessionctl: cannot write /dev/full: no space left on device\n",
    });
    expect(await to(directory, '"$@"')).toMatchObject({
      code: 1,
      stderr: expect.stringContaining("directory"),
    });
    expect(names(directory)).toEqual(["out", "pipe", "read"]);
  });

  test("keeps an earlier file if the new one cannot be written whole", async () => {
    const { ctl } = await withLargeSession();
    const directory = await tempDir();
    const file = join(directory, "out");
    writeFileSync(file, "earlier");
    const limited = await redirected(
      'ulimit -f 100; "$@"',
      sessionctlProgram,
      ctl("export", "big", "-o", file),
    );
    expect(limited).toEqual({
      code: 1,
      stdout: "",
      stderr: `sessionctl: cannot write ${file}: file too large\n`,
    });
    expect(readFileSync(file, "utf8")).toBe("earlier");
    expect(names(directory)).toEqual(["out"]);
  });

  test("leaves nothing behind when a signal ends it", async () => {
    const { run, ctl } = await withLargeSession();
    const directory = await tempDir();
    const [document, file] = [join(await tempDir(), "long.json"), join(directory, "out")];
    const long = {
      session_id: "long",
      status: "paused",
      checkpoint_time: "2026-01-01T00:00:00Z",
      config: { target_path: "src" },
      processed_files: [],
      pending_files: [],
      partial_results: { a: "x".repeat(2e7) },
    };
    writeFileSync(document, JSON.stringify(long));
    expect(await run("import", document)).toMatchObject({ code: 0 });
    const signals = ["SIGTERM", "SIGHUP", "SIGQUIT", "SIGINT"] as const;
    for (const signal of isLong ? signals : signals.slice(0, 1)) {
      let code: number | null = 0;
      // Now and then the export is finished before the signal arrives.
      for (let attempt = 1; code === 0 && attempt <= 5; attempt++) {
        writeFileSync(file, "earlier");
        const changes = watch(directory);
        const child = start(process.execPath, [sessionctlProgram, ...ctl("export", "long", "-o", file)]);
        changes.once("change", () => child.kill(signal));
        ({ code } = await outcome(child));
        changes.close();
        expect(names(directory)).toEqual(["out"]);
      }
      expect(code).not.toBe(0);
      expect(readFileSync(file, "utf8")).toBe("earlier");
    }
  }, 60_000);

  test("refuses what may not be replaced", async () => {
    const { ctl, socketPath } = await withLargeSession();
    const directory = await tempDir();
    chmodSync(join(socketPath, ".."), 0o755);
    chmodSync(socketPath, 0o666);
    chmodSync(directory, 0o755);
    mkdirSync(join(directory, "closed"));
    const [fixed, protectedFile] = [join(directory, "closed/fixed"), join(directory, "protected")];
    writeFileSync(fixed, "earlier");
    writeFileSync(protectedFile, "earlier", { mode: 0o444 });
    chmodSync(fixed, 0o666);
    chmodSync(join(directory, "closed"), 0o555);
    const uid = process.geteuid?.() === 0 ? { uid: 65534 } : {};
    const to = (file: string) =>
      outcome(start(process.execPath, [sessionctlProgram, ...ctl("export", "big", "-o", file)], uid));
    expect(await to(fixed)).toMatchObject({
      code: 1,
      stderr: expect.stringContaining("its directory may not be written"),
    });
    expect(await to(protectedFile)).toMatchObject({
      code: 1,
      stderr: expect.stringContaining("permission denied"),
    });
    expect(readFileSync(fixed, "utf8") + readFileSync(protectedFile, "utf8")).toBe("earlierearlier");
    chmodSync(join(directory, "closed"), 0o755);
  });
});

describe.skipIf(!canMount())("on a small disk", () => {
  test.each(large)(
    "%s %s says that its output is cut short, and export -o keeps the earlier file",
    async (...command) => {
      const { ctl } = await withLargeSession();
      const disk = await smallDisk("256k");
      const cut = await redirected(`"$@" > '${disk}/out'`, sessionctlProgram, ctl(...command));
      expect(cut).toMatchObject({ code: 1, stderr: notComplete("sessionctl", "no space left on device") });
      expect(statSync(`${disk}/out`).size).toBeGreaterThan(100_000);
      writeFileSync(`${disk}/out`, "earlier");
      const args = ctl("export", "big", "-o", `${disk}/out`);
      expect(await redirected('"$@"', sessionctlProgram, args)).toMatchObject({
        code: 1,
        stderr: `sessionctl: cannot write ${disk}/out: no space left on device\n`,
      });
      expect(readFileSync(`${disk}/out`, "utf8")).toBe("earlier");
      expect(readdirSync(disk)).toEqual(["out"]);
    },
  );
});

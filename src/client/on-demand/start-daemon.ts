/** Starts the daemon of a store as a process of its own, and waits until it serves or says why it cannot. */
import { type ChildProcess, spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { join } from "node:path";
import type { Readable } from "node:stream";
import { SessiondError } from "../../error.ts";
import { parseStartReport, type StartReport } from "../../personal/start-report.ts";
import { ConnectionError } from "../http/connection-error.ts";

/** How long a start may take before the client gives up. The daemon itself waits for another one for 10 s. */
const patienceMs = 30_000;
/** How much of what the daemon wrote to standard error is shown if it ends without a word. */
const shownBytes = 2000;

/** Variables that are about this process, and not about a daemon that outlives it. */
const notPassedOn = ["SESSIOND_SOCKET", "SESSIOND_RUN", "NODE_OPTIONS"];

/** The daemon says why it cannot serve the store. */
export class StartRefused extends SessiondError {
  /** With which its process has ended, such as 78 for its configuration. */
  readonly exitStatus: number;

  constructor(store: string, { code, message, exit_status }: Extract<StartReport, { state: "failed" }>) {
    // A configuration has a line for each mistake, with its place.
    const lines = message.split("\n");
    if (lines.length === 1) super(code, code === "storage_failed" ? cannotServe(store, message) : message);
    else
      super(code, "sessiond cannot be started with this configuration", {
        issues: lines.map((line) => ({ path: "", message: line })),
      });
    this.exitStatus = exit_status;
  }
}

type Served = Exclude<StartReport, { state: "failed" }>;

/**
 * Resolves when a daemon serves the store: the one that was started, or another that was faster.
 *
 * @param store the real path of the store
 * @throws StartRefused with the code that the daemon gives; ConnectionError `not_started`
 */
export async function startDaemon(store: string, env: NodeJS.ProcessEnv): Promise<Served> {
  const program = daemonProgram();
  if (program === undefined)
    throw notStarted(store, "there is no sessiond.js beside this program; start it with: sessiond");
  const child = spawn(process.execPath, [program, "--on-demand", "--sessions-dir", store], {
    // A session of its own, without our directory and descriptors: it outlives this process and its terminal.
    detached: true,
    cwd: "/",
    stdio: ["ignore", "pipe", "pipe"],
    env: Object.fromEntries(Object.entries(env).filter(([name]) => !notPassedOn.includes(name))),
  });
  try {
    const report = await reportOf(child, store);
    if (report.state === "failed") throw new StartRefused(store, report);
    return report;
  } finally {
    child.stdout?.destroy();
    child.stderr?.destroy();
    child.unref();
  }
}

/** sessiond.js of this installation. In the bundle, this code is beside it or in a folder below. */
function daemonProgram(): string | undefined {
  const here = import.meta.dirname;
  return [join(here, "sessiond.js"), join(here, "..", "sessiond.js")].find((path) => existsSync(path));
}

function reportOf(child: ChildProcess, store: string): Promise<StartReport> {
  return new Promise((resolve, reject) => {
    let [line, errors] = ["", ""];
    const timer = setTimeout(
      () => reject(notStarted(store, `it did not say within ${patienceMs / 1000} s that it serves`)),
      patienceMs,
    );
    const end = (act: () => void) => {
      clearTimeout(timer);
      act();
    };
    (child.stdout as Readable).setEncoding("utf8").on("data", (text: string) => {
      line += text;
      const report = line.includes("\n") ? parseStartReport(line.slice(0, line.indexOf("\n"))) : undefined;
      if (report !== undefined) end(() => resolve(report));
    });
    (child.stderr as Readable).setEncoding("utf8").on("data", (text: string) => {
      errors = (errors + text).slice(-shownBytes);
    });
    child.on("error", (error) => end(() => reject(notStarted(store, error.message))));
    // Only at "close" has everything been read that it wrote.
    child.on("close", (code, signal) => {
      const how = signal === null ? `with status ${code}` : `by ${signal}`;
      const said = errors.trim() === "" ? "" : `: ${errors.trim().replace(/\s*\n\s*/g, "; ")}`;
      end(() => reject(notStarted(store, `it ended ${how}${said}`)));
    });
  });
}

/** Without a daemon, there is nobody to ask for the reason. */
function cannotServe(store: string, why: string): string {
  const remedy = why.includes("; ") ? "" : "; put that right, or name another store with --store DIR";
  return `sessiond cannot serve the store ${store}: ${why}${remedy}`;
}

function notStarted(store: string, why: string): ConnectionError {
  return new ConnectionError(
    "not_started",
    store,
    `cannot start sessiond for the store ${store}: ${why}; its log is ${join(store, ".sessiond", "sessiond.log")}`,
  );
}

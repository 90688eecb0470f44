/**
 * The daemon of a store of the user's own: found by what the store says of it, started if nobody serves the
 * store, and started again if it was killed.
 *
 * The room client/on-demand/ owns which daemon a client talks to when it was given no socket, and the daemons
 * that nobody starts by hand. It does not know what is asked of them.
 */
import { realpathSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import type { Info } from "../../contract/replies.ts";
import { isSessiondError, SessiondError, systemErrorCode } from "../../error.ts";
import { systemReason } from "../../files/standard-streams.ts";
import { readDaemonFile } from "../../personal/daemon-file.ts";
import { storeSocket } from "../../personal/store-socket.ts";
import { version } from "../../version.ts";
import { callRoute } from "../call-route.ts";
import { ConnectionError } from "../http/connection-error.ts";
import { type Daemon, isNobodyThere, managedDaemon, type Revival } from "../http/daemon.ts";
import { HttpTransport } from "../http/http.ts";
import { makeStore } from "./make-store.ts";
import { isOlder } from "./older-version.ts";
import { startDaemon } from "./start-daemon.ts";

export interface StoreDaemonOptions {
  readonly env: NodeJS.ProcessEnv;
  /** Whether a daemon may be started. */
  readonly mayStart: boolean;
  /** Whether the store may be made if it is missing. */
  readonly mayMake: boolean;
  /** How long a daemon may take to say which store it serves, in milliseconds; 0 waits without limit. */
  readonly timeoutMs: number | undefined;
  /** Called with what a person may want to know: that a store was made, that the daemon is an old one. */
  readonly say: (line: string) => void;
}

/** After a start that failed, the next one waits, so that many attempts to reconnect are not many starts. */
const restartDelayMs = 5000;
/** How long a daemon that was asked to stop may take to close its socket, and between two looks. */
const [stopMs, stopPollMs] = [20_000, 20];

export class StoreDaemon implements Daemon {
  /** The path as it was found, which may have links. */
  readonly store: string;
  readonly #options: StoreDaemonOptions;
  #socketPath: string | undefined;
  #ready: Promise<void> | undefined;
  #revival: Promise<Revival> | undefined;
  #failedAtMs = Number.NEGATIVE_INFINITY;

  constructor(store: string, options: StoreDaemonOptions) {
    this.store = store;
    this.#options = options;
  }

  /** Before a daemon was found, the store itself, for messages. */
  get socketPath(): string {
    return this.#socketPath ?? this.store;
  }

  ready(): Promise<void> {
    this.#ready ??= this.#findOrStart().catch((error: unknown) => {
      this.#ready = undefined;
      throw error;
    });
    return this.#ready;
  }

  revive(): Promise<Revival> {
    this.#revival ??= this.#findOrRevive().finally(() => {
      this.#revival = undefined;
    });
    return this.#revival;
  }

  async #findOrStart(): Promise<void> {
    const { mayStart, mayMake, say, env } = this.#options;
    if (mayMake && mayStart && makeStore(this.store, env))
      say(`made the store ${this.store}; its daemon ends by itself when it is idle`);
    const store = this.#realStore();
    const info = await this.#find(store);
    if (info === undefined || !(await this.#isCurrent(info))) await this.#start(store);
  }

  async #findOrRevive(): Promise<Revival> {
    const store = this.#realStore();
    if ((await this.#find(store)) !== undefined) return "listening";
    const file = readDaemonFile(store);
    // Without the file, the daemon ended because it was idle.
    if (file !== undefined && file.stopped_time !== null) return "stopped";
    if (file?.on_demand === false || !this.#options.mayStart) return "gone";
    if (performance.now() - this.#failedAtMs < restartDelayMs) return "gone";
    await this.#start(store);
    return "listening";
  }

  /** The facts of the daemon that serves this store, which sets where it listens. */
  async #find(store: string): Promise<Info | undefined> {
    const socket = storeSocket(store, this.#options.env);
    if (socket === undefined) return undefined;
    const info = await ask(socket, this.#options.timeoutMs);
    // What the store says of its daemon is a hint: another daemon may listen there now.
    if (info === undefined || realPath(info.store.location) !== store) return undefined;
    this.#socketPath = socket;
    return info;
  }

  async #start(store: string): Promise<void> {
    const { mayStart, env } = this.#options;
    if (!mayStart) {
      const message = `no sessiond serves the store ${store}; a command without --no-start starts one`;
      throw new ConnectionError("missing", store, message);
    }
    try {
      const { socket } = await startDaemon(store, env);
      this.#socketPath = socket;
    } catch (error) {
      this.#failedAtMs = performance.now();
      throw error;
    }
  }

  /** Ends a daemon on demand of an older version if it is idle. False if another one must be started. */
  async #isCurrent(info: Info): Promise<boolean> {
    const { on_demand } = info;
    if (!on_demand || !this.#options.mayStart || !isOlder(info.version, version)) return true;
    try {
      if (info.workers === 0 && (await stopIdle(this.socketPath))) return false;
    } catch (error) {
      if (!(error instanceof SessiondError || error instanceof ConnectionError)) throw error;
    }
    this.#options.say(
      `sessiond ${info.version} serves this store, and this program is version ${version}; ` +
        "it is replaced when no run is attached",
    );
    return true;
  }

  /** @throws ConnectionError `missing` */
  #realStore(): string {
    try {
      return realpathSync(this.store);
    } catch (error) {
      const why =
        systemErrorCode(error) === "ENOENT"
          ? "does not exist; sessionctl run and sessionctl create make it"
          : `cannot be used: ${systemReason(error as Error)}`;
      throw new ConnectionError("missing", this.store, `the store ${this.store} ${why}`, { cause: error });
    }
  }
}

/** A daemon names its store as it was told. */
function realPath(path: string): string {
  try {
    return realpathSync(path);
  } catch {
    return path;
  }
}

/**
 * The facts that a daemon tells of itself. Undefined if none listens, if it is about to end, or if what
 * listens is no sessiond.
 */
async function ask(socketPath: string, timeoutMs?: number): Promise<Info | undefined> {
  return withTransport(socketPath, async (transport) => {
    try {
      return await callRoute(transport, "getInfo", {}, { timeoutMs });
    } catch (error) {
      const isOther = error instanceof ConnectionError && ["closed", "not_sessiond"].includes(error.reason);
      if (isOther || isNobodyThere(error) || isSessiondError(error, "shutting_down")) return undefined;
      throw error;
    }
  });
}

/**
 * Resolves with true when the daemon serves nobody any more, with false if it goes on. @throws its refusal
 */
async function stopIdle(socketPath: string): Promise<boolean> {
  return withTransport(socketPath, async (transport) => {
    await callRoute(transport, "stopDaemon", { body: {} });
    for (const began = performance.now(); performance.now() - began < stopMs; await sleep(stopPollMs))
      if ((await ask(socketPath).catch(() => null)) === undefined) return true;
    return false;
  });
}

async function withTransport<Value>(
  socketPath: string,
  work: (transport: HttpTransport) => Promise<Value>,
): Promise<Value> {
  const transport = new HttpTransport(managedDaemon(socketPath));
  try {
    return await work(transport);
  } finally {
    transport.close();
  }
}

/**
 * The daemon of a scenario: a socket with the worker channel and the little of the API that a worker may call
 * beside it.
 */
import { randomUUID } from "node:crypto";
import { once } from "node:events";
import {
  createServer,
  type IncomingMessage,
  type Server,
  type ServerResponse,
  STATUS_CODES,
} from "node:http";
import type { Duplex } from "node:stream";
import { attachQuery, type ClosingCode, channelProtocol, tokenHeader } from "../contract/channel.ts";
import { problemMediaType } from "../contract/errors.ts";
import { issuesOf, wording } from "../contract/wording.ts";
import type { ErrorCode } from "../error.ts";
import { Connection, type ConnectionHost } from "./connection.ts";
import type { Judge } from "./judge.ts";
import { decoded, playedReply, problem } from "./played-reply.ts";
import type { PlayedSession } from "./played-session.ts";
import type { Fate, Scenario, Stage, Step } from "./scenario.ts";

export interface PlayedDaemonOptions {
  readonly scenario: Scenario;
  readonly session: PlayedSession;
  readonly judge: Judge;
  readonly isShared: boolean;
  readonly socketPath: string;
}

export class PlayedDaemon {
  readonly #options: PlayedDaemonOptions;
  readonly #token = randomUUID();
  readonly #timers = new Set<NodeJS.Timeout>();
  readonly #connections: Connection[] = [];
  readonly #sockets = new Set<Duplex>();
  readonly #steps: Step[];
  readonly #stage: Stage;
  #server: Server | undefined;
  #attempts = 0;
  #filesReported = 0;
  #isClosed = false;

  constructor(options: PlayedDaemonOptions) {
    this.#options = options;
    this.#steps = [...(options.scenario.steps ?? [])];
    this.#stage = this.#makeStage();
    options.session.onFree = () => this.#current?.serveClaims();
  }

  /** Listens at the socket, and lets the scenario begin. */
  async start(): Promise<void> {
    await this.#listen();
    this.#options.scenario.begin?.(this.#stage);
  }

  /** How many connections there were. */
  get connections(): number {
    return this.#connections.length;
  }

  /** Whether all connections have ended. */
  get isQuiet(): boolean {
    return this.#connections.every((connection) => connection.hasEnded);
  }

  close(): void {
    this.#isClosed = true;
    for (const timer of this.#timers) clearTimeout(timer);
    this.#server?.close();
    for (const socket of this.#sockets) socket.destroy();
  }

  get #current(): Connection | undefined {
    return this.#connections.at(-1);
  }

  #answer(request: IncomingMessage, response: ServerResponse): void {
    const { session, judge, isShared } = this.#options;
    request.resume();
    const path = pathOf(request);
    if (path.endsWith("/attach")) {
      judge.blame(`it asked to attach without \`Connection: Upgrade\` and \`Upgrade: ${channelProtocol}\``);
      response.writeHead(426, { upgrade: channelProtocol, connection: "Upgrade" }).end();
      return;
    }
    const { status, body, next } = playedReply(request.method ?? "", path, session);
    // A worker that has read the session knows its files.
    if (!isShared && status === 200) for (const file of session.pending) session.known.add(file);
    if (next !== undefined) this.#stage.status(next);
    response.writeHead(status, { "content-type": status < 400 ? "application/json" : problemMediaType });
    response.end(body);
  }

  #upgrade(request: IncomingMessage, socket: Duplex, head: Buffer): void {
    const { scenario, judge, session } = this.#options;
    socket.on("error", () => {});
    const wrong = this.#wrongRequest(request);
    if (wrong !== undefined) {
      judge.blame(wrong, { bytes: Buffer.alloc(0), text: `${request.method} ${request.url}` });
      socket.destroy();
      return;
    }
    const code = scenario.refuse?.(++this.#attempts);
    if (code !== undefined) {
      if (isFinal(code)) judge.stop();
      refuse(socket, code);
      return;
    }
    this.#current?.cut();
    const connection = new Connection(socket, this.connections + 1, this.#host());
    this.#connections.push(connection);
    connection.begin(session.revision + this.connections, head);
  }

  /** What is wrong with a request to attach; undefined if nothing is. */
  #wrongRequest(request: IncomingMessage): string | undefined {
    const { session, judge, isShared } = this.#options;
    const { upgrade, [tokenHeader]: token } = request.headers;
    if (request.method !== "GET") return `it asked to attach with ${request.method} instead of GET`;
    if (judge.mustStop) return "it attached again, though it had been told that its lease is over";
    if (upgrade?.toLowerCase() !== channelProtocol)
      return `it asked for the upgrade to "${upgrade}" instead of "${channelProtocol}"`;
    if (decoded(pathOf(request)) !== attachPath(session.id))
      return `it did not ask for "${attachPath(session.id)}", with the id percent-encoded`;
    const query = attachQuery.safeParse(Object.fromEntries(queryOf(request)), { error: wording });
    const [issue] = query.success ? [] : issuesOf(query.error);
    if (issue !== undefined) return `the query is not valid: ${issue.path}: ${issue.message}`;
    if ((query.data?.shared ?? false) !== isShared)
      return isShared ? "it attached without `shared=true`" : "it attached with `shared=true`";
    if (this.connections === 0)
      return token === undefined ? undefined : "it showed a token before it was given one";
    if (token === undefined) return "it came back without the header `Sessiond-Token`";
    return token === this.#token ? undefined : "it came back with a token that it was not given";
  }

  async #listen(): Promise<void> {
    const server = createServer((request, response) => this.#answer(request, response));
    server.on("clientError", (error: NodeJS.ErrnoException, socket) => {
      // Other errors mean that the worker has gone in the middle of a request.
      if (error.code?.startsWith("HPE_") === true && error.code !== "HPE_INVALID_EOF_STATE")
        this.#options.judge.blame(`its request is not HTTP: ${error.message}`);
      socket.destroy();
    });
    server.on("upgrade", (request, socket, head) => this.#upgrade(request, socket, head));
    server.on("connection", (socket) => {
      this.#sockets.add(socket);
      socket.on("close", () => this.#sockets.delete(socket));
    });
    server.listen(this.#options.socketPath);
    this.#server = server;
    await once(server, "listening");
    if (this.#isClosed) server.close();
  }

  #host(): ConnectionHost {
    const { scenario, session, judge, isShared } = this.#options;
    return {
      scenario,
      session,
      judge,
      isShared,
      token: this.#token,
      attached: (connection) => scenario.attached?.(connection, this.#stage),
      fateOf: (files) => this.#fateOf(files),
      later: (ms, act) => this.#later(ms, act),
    };
  }

  #fateOf(files: number): Fate {
    this.#filesReported += files;
    const [step] = this.#steps;
    if (step === undefined || this.#filesReported < step.after) return "keep";
    this.#steps.shift();
    return step.act(this.#stage);
  }

  #later(ms: number, act: () => void): void {
    const timer = setTimeout(() => {
      this.#timers.delete(timer);
      act();
    }, ms);
    this.#timers.add(timer);
  }

  #makeStage(): Stage {
    const { session, judge } = this.#options;
    return {
      session,
      later: (ms, act) => this.#later(ms, act),
      status: (status, reason) => {
        this.#current?.tell({ type: "status", status, reason: reason ?? null });
        if (status !== "deleted") session.changeStatus(status, reason ?? null);
      },
      send: (text) => this.#current?.send(text),
      cut: () => this.#current?.cut(),
      close: (code, detail) => {
        if (isFinal(code)) judge.stop();
        this.#current?.close(code, detail);
      },
      loseNextClaim: () => this.#current?.loseNextClaim(),
      refuseNextClaim: () => this.#current?.refuseNextClaim(),
      loseNextDetach: () => this.#current?.loseNextDetach(),
      holdAcks: (ms) => this.#current?.holdAcks(ms),
      stopReading: (ms) => this.#current?.stopReading(ms),
      goDown: (ms) => {
        this.#server?.close();
        this.#later(ms, () => void this.#listen());
      },
      mayEnd: (how) => judge.mayEnd(how),
      mustFinish: () => judge.mustFinish(),
      expectNoReports: ({ afterMs, mostFiles }) =>
        judge.expectNoReports(performance.now() + afterMs, mostFiles),
      resumed: () => judge.resumed(),
    };
  }
}

/** Whether a worker that is told this has no lease any more. */
function isFinal(code: ErrorCode | ClosingCode): boolean {
  return code === "lease_lost" || code === "session_deleted" || code === "session_not_found";
}

/** The path to attach to a session, before it is percent-encoded. */
function attachPath(id: string): string {
  return `/v1/sessions/${id}/attach`;
}

function pathOf({ url = "" }: IncomingMessage): string {
  return url.split("?")[0] as string;
}

function queryOf({ url = "" }: IncomingMessage): URLSearchParams {
  return new URLSearchParams(url.slice(pathOf({ url } as IncomingMessage).length));
}

function refuse(socket: Duplex, code: ErrorCode): void {
  const { status, body } = problem(code, "a refusal that is to be expected");
  const head = [
    `HTTP/1.1 ${status} ${STATUS_CODES[status]}`,
    `Content-Type: ${problemMediaType}`,
    `Content-Length: ${Buffer.byteLength(body)}`,
    "Connection: close",
  ];
  socket.end(`${head.join("\r\n")}\r\n\r\n${body}`);
}

/** One connection to one server: opened, used for one statement after another, and ended. */
import { Socket } from "node:net";
import { userInfo } from "node:os";
import { Client, type QueryResult, types } from "pg";
import type { Parameter } from "./database.ts";
import {
  failureOf,
  isWithoutTls,
  markEnding,
  NotReplicatedError,
  RefusedError,
  sqlState,
} from "./failure.ts";
import type { Login } from "./pass-file.ts";
import { passwordFor } from "./password.ts";
import type { Host, PostgresUrl } from "./postgres-url.ts";
import { type Tls, tlsAttempts } from "./tls.ts";

/** What a connection needs to know besides the host. */
export interface Access {
  readonly url: PostgresUrl;
  readonly env: NodeJS.ProcessEnv;
  /** The time limit for opening a connection, in milliseconds. */
  readonly connectMs: number;
}

/** How soon the kernel asks whether an idle peer is still there, in milliseconds. */
const keepAliveMs = 10_000;

const int8 = 20;
const parsers = {
  getTypeParser: ((oid: number, format?: "text" | "binary") =>
    oid === int8 && format !== "binary"
      ? Number
      : types.getTypeParser(oid, format as "text")) as typeof types.getTypeParser,
};

/**
 * The function of the server that warns when somebody has ended the wait for a standby. The commit is then
 * reported as made, although no standby has it. Unlike the text, its name is the same in every language.
 */
const waitForStandby = "SyncRepWaitForLSN";

export class Connection {
  readonly #client: Client;
  readonly #socket: Socket;
  #isLost = false;
  #isWarned = false;
  #onLost: () => void = () => {};
  /** How often the server has been ready for the next statement. */
  #answers = 0;
  #afterError: () => void = () => {};

  private constructor(client: Client, socket: Socket) {
    this.#client = client;
    this.#socket = socket;
    client.on("error", () => this.#lose());
    client.on("end", () => this.#lose());
    client.on("drain", () => {
      this.#answers++;
      this.#afterError();
    });
    client.on("notice", (notice) => {
      if (notice.routine === waitForStandby) this.#isWarned = true;
    });
  }

  /** @throws the error of the socket or the server; RefusedError */
  static async open(host: Host, access: Access): Promise<Connection> {
    const [first, second] = tlsAttempts(access.url, host) as [Tls, Tls?];
    try {
      return await Connection.#try(host, access, first);
    } catch (error) {
      // The server takes no encrypted connections, or no others, or none at all.
      if (second === undefined || failureOf(error) !== "refused") throw error;
      return Connection.#try(host, access, second).catch((later: unknown) => {
        throw isWithoutTls(later) ? error : later;
      });
    }
  }

  static async #try(host: Host, { url, env, connectMs }: Access, ssl: Tls): Promise<Connection> {
    const login = loginOf(url);
    const socket = new Socket();
    const client = new Client({
      host: host.host,
      port: host.port,
      ...login,
      // Called only if the server wants a password.
      password: () => passwordFor(url, host, login, env) ?? noPassword(login),
      application_name: url.applicationName,
      ssl,
      stream: () => socket,
      keepAlive: true,
      keepAliveInitialDelayMillis: keepAliveMs,
      connectionTimeoutMillis: connectMs,
      types: parsers,
    });
    const connection = new Connection(client, socket);
    try {
      await client.connect();
      return connection;
    } catch (error) {
      connection.destroy();
      throw error;
    }
  }

  get isLost(): boolean {
    return this.#isLost;
  }

  /** Calls back once when the connection is lost, or has been. */
  set onLost(listener: () => void) {
    this.#onLost = listener;
    if (this.#isLost) listener();
  }

  /** @throws the error of the server or the socket; NotReplicatedError */
  async run(text: string, values: readonly Parameter[] = []): Promise<QueryResult> {
    this.#isWarned = false;
    const before = this.#answers;
    const result = await this.#client.query(text, values as unknown[]).catch(async (error: unknown) => {
      if (sqlState(error) !== undefined && !(await this.#isReady(before))) markEnding(error);
      throw error;
    });
    if (this.#isWarned) {
      throw new NotReplicatedError(
        "somebody has ended the wait for the standby, so the change may be lost later",
      );
    }
    return result;
  }

  onNotification(listener: () => void): void {
    this.#client.on("notification", listener);
  }

  /** Ends it at once. A statement under way fails. */
  destroy(): void {
    this.#lose();
    this.#socket.destroy();
  }

  /** Says goodbye to the server. For a connection that nobody uses. */
  close(): void {
    this.#lose();
    this.#client.end().catch(() => {});
    // The server need not answer.
    setTimeout(() => this.#socket.destroy(), 1000).unref();
  }

  /**
   * After an error the server is ready for the next statement, or ends the connection. Resolves when it has.
   */
  async #isReady(before: number): Promise<boolean> {
    if (!this.#isLost && this.#answers === before) {
      await new Promise<void>((resolve) => {
        this.#afterError = resolve;
      });
    }
    return this.#answers > before;
  }

  #lose(): void {
    if (this.#isLost) return;
    this.#isLost = true;
    this.#afterError();
    this.#onLost();
  }
}

/** As in libpq: the name of the user of this process, and a database of the same name. */
function loginOf({ user = userInfo().username, database = user }: PostgresUrl): Login {
  return { user, database };
}

function noPassword({ user }: Login): never {
  throw new RefusedError(
    `the server asks for the password of "${user}", and there is none: docs/postgres.md says where to put it`,
  );
}

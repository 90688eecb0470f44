/** A machine with sessiond installed, as the tests look at it from the host. */
import { afterAll, beforeAll, inject } from "vitest";
import { SessionClient } from "../../src/client/session-client.ts";
import { bootMachine, type Machine, type Suite } from "../support/machine.ts";

export const socketInside = "/run/sessiond/sessiond.sock";
export const readSocketInside = "/run/sessiond/read.sock";
export const configInside = "/etc/sessiond/sessiond.yaml";

export const skipped = (): boolean => inject("machineProblem") !== undefined;

export interface ServiceMachine extends Machine {
  /** The control socket as the host sees it; the processes of the host are root in the machine. */
  readonly socket: string;
  /** A client with connections of its own. */
  client(): SessionClient;
  install(packageFile: string): Promise<void>;
  /** One property of the service. */
  property(name: string, unit?: string): Promise<string>;
  /** The messages of the service in the journal, with their priority; `args` choose among them. */
  journal(...args: string[]): Promise<Entry[]>;
  /** An argument for `journal`, for what is logged from here on, and the last entry before. */
  cursor(): Promise<string>;
}

export interface Entry {
  priority: number;
  message: string;
  identifier: string;
  /** Set where journald has cut a line. */
  cut: boolean;
}

/**
 * Boots a machine before the tests of a block and stops it after them. `binds` says which paths of the host
 * it shows, and where.
 */
export function machineFor(suite: Suite, binds: () => readonly string[] = () => []): () => ServiceMachine {
  let machine: ServiceMachine | undefined;
  const clients: SessionClient[] = [];
  beforeAll(async () => {
    const node = suite === "bookworm" ? [`${process.execPath}:/usr/bin/node`] : [];
    const booted = await bootMachine(suite, [...node, `${inject("packages")}:/opt/packages`, ...binds()]);
    machine = onService(booted, clients);
    if (suite === "bookworm") await machine.ask("dpkg", "-i", "/opt/packages/nodejs.deb");
  });
  afterAll(async () => {
    for (const client of clients) client.close();
    await machine?.stop();
  });
  return () => machine as ServiceMachine;
}

function onService(machine: Machine, clients: SessionClient[]): ServiceMachine {
  const socket = machine.path(socketInside);
  return {
    ...machine,
    socket,
    client() {
      const client = new SessionClient({ socketPath: socket });
      clients.push(client);
      return client;
    },
    async install(packageFile) {
      // As apt does it: the answer to a changed configuration file is to keep it.
      await machine.ask("dpkg", "--force-confold", "-i", `/opt/packages/${packageFile}`);
    },
    property: async (name, unit = "sessiond.service") =>
      (await machine.ask("systemctl", "show", "--value", `--property=${name}`, unit)).trim(),
    async journal(...args) {
      await machine.ask("journalctl", "--sync");
      const text = await machine.ask("journalctl", "-u", "sessiond", "-o", "json", "--all", ...args);
      return text
        .split("\n")
        .filter((line) => line !== "")
        .map((line) => {
          const entry = JSON.parse(line) as Record<string, unknown>;
          return {
            priority: Number(entry.PRIORITY),
            message: String(entry.MESSAGE),
            identifier: String(entry.SYSLOG_IDENTIFIER),
            cut: entry._LINE_BREAK !== undefined,
          };
        });
    },
    async cursor() {
      await machine.ask("journalctl", "--sync");
      const text = await machine.ask("journalctl", "-n", "0", "--show-cursor");
      // Not --after-cursor, which in systemd 252 passes over one more entry where others are filtered out.
      return `--cursor=${/-- cursor: (.*)/.exec(text)?.[1]}`;
    },
  };
}

/** Figures are printed: they are what the tests are read for. */
export function figure(suite: Suite, what: string, value: string): void {
  process.stdout.write(`${suite}: ${what}: ${value}\n`);
}

/** Milliseconds until the daemon has answered, while `action` goes on. */
export async function untilServing(machine: ServiceMachine, action: Promise<unknown>): Promise<number> {
  const started = performance.now();
  const client = machine.client();
  const answered = (async () => {
    for (;;) {
      try {
        await client.getInfo({ timeoutMs: 10_000 });
        return performance.now() - started;
      } catch {
        await new Promise((resolve) => setTimeout(resolve, 5));
      }
    }
  })();
  const [afterMs] = await Promise.all([answered, action]);
  return Math.round(afterMs);
}

/** Closes what was opened in reverse order, also after an error or a signal. */
import type { ChildProcess } from "node:child_process";
import { once } from "node:events";
import { rmSync } from "node:fs";

type Release = () => unknown;

/** The open scopes, which all end at once on a signal. */
const open = new Set<Scope>();

export class Scope {
  readonly #releases: Release[] = [];

  constructor() {
    open.add(this);
  }

  defer(release: Release): void {
    this.#releases.push(release);
  }

  async end(): Promise<void> {
    open.delete(this);
    for (const release of this.#releases.splice(0).reverse()) await release();
  }

  removeLater(directory: string): void {
    this.defer(() => rmSync(directory, { recursive: true, force: true }));
  }
}

/** Runs a function with a new scope, and closes the scope after it. */
export async function within<Result>(task: (scope: Scope) => Promise<Result>): Promise<Result> {
  const scope = new Scope();
  try {
    return await task(scope);
  } finally {
    await scope.end();
  }
}

export async function endAllScopes(): Promise<void> {
  for (const scope of [...open].reverse()) await scope.end();
}

const patienceMs = 20_000;

/** Ends a child process with a signal, and kills it if it does not end. */
export async function endProcess(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null || child.pid === undefined) return;
  const ended = once(child, "exit");
  child.kill("SIGTERM");
  const impatience = setTimeout(() => child.kill("SIGKILL"), patienceMs);
  await ended;
  clearTimeout(impatience);
}

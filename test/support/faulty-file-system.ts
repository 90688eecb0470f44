/**
 * A file system that fails, waits or falls short where a test says so, and otherwise is that of the machine.
 */
import { constants } from "node:fs";
import type { FileSystem, OpenFile } from "../../src/store/directory/disk/file-system.ts";
import { nodeFileSystem } from "../../src/store/directory/disk/node-file-system.ts";

export interface Operation {
  /** The method of `FileSystem`; those of an open file begin with `file.`. */
  readonly name: string;
  /** The first path that it names, or that of its descriptor. */
  readonly path: string;
  /** May be changed before it runs. */
  readonly args: unknown[];
}

/**
 * Runs an operation, or does something else in its place. What it throws is what the operation fails with.
 */
export type Interceptor = <T>(operation: Operation, run: () => T) => T;

type Methods = Record<string, (...args: unknown[]) => unknown>;

export class FaultyFileSystem {
  readonly fileSystem: FileSystem;
  readonly #paths = new Map<number, string>();
  #intercept: Interceptor | undefined;

  constructor() {
    this.fileSystem = this.#wrapped(nodeFileSystem as unknown as Methods, "", (args) =>
      typeof args[0] === "number" ? (this.#paths.get(args[0]) ?? "") : String(args[0]),
    ) as unknown as FileSystem;
  }

  /** From now on every operation goes through this; without one, all is well again. */
  intercept(interceptor?: Interceptor): void {
    this.#intercept = interceptor;
  }

  /** From now on the operations that `matches` picks fail. */
  fail(matches: (operation: Operation) => boolean, code: string): void {
    this.intercept((operation, run) => {
      if (matches(operation)) throw systemError(code, operation);
      return run();
    });
  }

  #wrapped(target: Methods, prefix: string, pathOf: (args: unknown[]) => string): Methods {
    const wrapped: Methods = {};
    for (const [name, method] of Object.entries(target)) {
      wrapped[name] = (...args) => {
        const operation = { name: prefix + name, path: pathOf(args), args };
        if (name === "startStatThread") return method();
        const run = () => this.#opened(operation, method(...operation.args));
        if (name.endsWith("Sync")) return this.#run(operation, run);
        // What is asynchronous rejects, and never throws.
        return new Promise((resolve) => resolve(this.#run(operation, run)));
      };
    }
    return wrapped;
  }

  #run(operation: Operation, run: () => unknown): unknown {
    return this.#intercept === undefined ? run() : this.#intercept(operation, run);
  }

  /** What an operation opened is wrapped as well. */
  #opened({ name, path }: Operation, result: unknown): unknown {
    if (name === "openSync") this.#paths.set(result as number, path);
    if (name !== "open") return result;
    return (result as Promise<OpenFile>).then((file) => {
      this.#paths.set(file.fd, path);
      const methods: Methods = {};
      for (const method of ["stat", "read", "write", "appendFile", "truncate", "sync", "datasync", "close"])
        methods[method] = (...args) => (file as unknown as Methods)[method]?.apply(file, args);
      return { fd: file.fd, ...this.#wrapped(methods, "file.", () => path) };
    });
  }
}

/** Whether an operation changes what is on the disk, or makes a change of it durable. */
export function isChange({ name, args }: Operation): boolean {
  if (name === "open" || name === "openSync") return (Number(args[1]) & constants.O_CREAT) !== 0;
  return changes.has(name);
}

const changes = new Set([
  ...["mkdirSync", "rmSync", "renameSync", "linkSync", "unlinkSync", "unlink"],
  ...["writeSync", "writeFileSync", "writeSynced", "file.write", "file.appendFile", "file.truncate"],
  ...["fsyncSync", "file.sync", "file.datasync"],
]);

/** Whether an operation writes records into the journal. */
export function isJournalWrite({ name, path }: Operation): boolean {
  return (name === "writeSync" || name === "file.write") && path.endsWith(".log");
}

export function systemError(code: string, { name, path }: Operation): NodeJS.ErrnoException {
  const method = name.replace("file.", "").replace("Sync", "");
  const syscall = { sync: "fsync", datasync: "fdatasync" }[method] ?? method;
  return Object.assign(new Error(`${code}: injected, ${syscall} '${path}'`), { code, syscall, path });
}

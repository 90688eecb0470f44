/**
 * One PostgreSQL for all test files of `npm run test:postgres`. `$SESSIOND_TEST_POSTGRES`, such as
 * `host=/run/postgresql port=5432 user=postgres`, names one that runs already.
 */
import { spawnSync } from "node:child_process";
import { join } from "node:path";
import type { TestProject } from "vitest/node";
import { Cluster } from "./cluster.ts";
import { postgresProblem } from "./programs.ts";

declare module "vitest" {
  interface ProvidedContext {
    /** Where the PostgreSQL of all files listens; undefined if there is none. */
    postgres: { host: string; port: number } | undefined;
    /** Why there is none, if so. */
    postgresProblem: string | undefined;
  }
}

export default async function startPostgres(
  project: TestProject,
): Promise<(() => Promise<void>) | undefined> {
  const problem = installed();
  project.provide("postgresProblem", problem);
  if (problem !== undefined) {
    project.provide("postgres", undefined);
    if (process.env.CI_RUN === "1") throw new Error(`the tests of PostgreSQL cannot run: ${problem}`);
    process.stderr.write(`The tests of PostgreSQL are skipped: ${problem}\n`);
    return undefined;
  }
  const given = process.env.SESSIOND_TEST_POSTGRES;
  if (given !== undefined) {
    project.provide("postgres", parse(given));
    return undefined;
  }
  const cluster = await Cluster.create();
  project.provide("postgres", { host: cluster.host, port: cluster.port });
  return () => cluster.remove();
}

/** What is missing is installed first where this process may do that. */
function installed(): string | undefined {
  const problem = postgresProblem();
  if (problem === undefined || process.getuid?.() !== 0 || spawnSync("apt-get", ["--version"]).error)
    return problem;
  const { status, stderr } = spawnSync("sh", [join(import.meta.dirname, "install.sh")], { encoding: "utf8" });
  return status === 0 ? postgresProblem() : `${problem} failed: ${stderr}`;
}

function parse(given: string): { host: string; port: number } {
  const words = new Map(given.split(/\s+/).map((word) => word.split("=", 2) as [string, string]));
  return { host: words.get("host") ?? "/run/postgresql", port: Number(words.get("port") ?? 5432) };
}

/** The rounds of the suite of PostgreSQL, many more of them. */
import { expect, test } from "vitest";
import { killRounds } from "../postgres/kill-rounds.ts";
import { postgresObstacle } from "../support/postgres/programs.ts";

const why = postgresObstacle();
const name = "fifty rounds of kills of daemons, workers, database and connections lose nothing";

test.skipIf(why !== undefined)(
  why === undefined ? name : `${name} (${why})`,
  async () => {
    const { acknowledged, twice, kills } = await killRounds(50);
    process.stdout.write(`${acknowledged} acknowledged, ${twice} twice, kills ${JSON.stringify(kills)}\n`);
    expect(acknowledged).toBeGreaterThan(2000);
    expect(Object.keys(kills).length).toBe(5);
  },
  1_200_000,
);

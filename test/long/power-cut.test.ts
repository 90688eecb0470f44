import { join } from "node:path";
import { expect, test } from "vitest";
import { crashRounds, type Plan } from "../e2e/kill-rounds.ts";
import type { Program } from "../support/daemon-process.ts";
import { cutDisk, obstacle } from "./cut-disk.ts";

/** Many times as many rounds, for whoever has the time. */
const repeats = Number(process.env.POWER_CUT_REPEATS ?? 1);

const plans: readonly Plan[] = [
  // Files are rewritten all the time.
  { maxLag: "20ms", lanes: 4, inFlight: 16, outside: "settled" },
  // Everything is in the journal alone; then the power goes while it is replayed.
  { maxLag: "10min", lanes: 4, inFlight: 16, outside: "any", crashesInReplay: 2 },
  // Alone and one after another: no other change's sync makes these durable.
  { maxLag: "1s", lanes: 1, inFlight: 0, restMs: 40, outside: "never" },
  { maxLag: "20ms", lanes: 1, inFlight: 1, outside: "settled", broken: true },
];

for (const type of ["ext4", "xfs"] as const) {
  const why = obstacle(type);
  const name = `cuts of power on ${type} lose nothing that was acknowledged`;
  test.skipIf(why !== undefined)(why === undefined ? name : `${name} (${why})`, async () => {
    const disk = await cutDisk(type);
    const crash = (...programs: (Program | undefined)[]) =>
      disk.cut(programs.filter((program) => program !== undefined));
    const rounds = Array.from({ length: repeats }, () => plans).flat();
    const { acknowledged } = await crashRounds({ plans: rounds, dir: join(disk.path, "sessions"), crash });
    // Else nothing was shown.
    expect(acknowledged).toBeGreaterThan(20);
  });
}

/** What a run prints of the part `postgres`, and its bars. */
import { pairedRatio } from "../measure.ts";
import type { PeerName } from "../peers/all.ts";
import { count, ms, type Row } from "../table.ts";
import type { Postgres } from "./measure.ts";

export function postgresRows({ reports, growth, fleet, gap }: Postgres): Row[] {
  const row = (what: string, who: string, figure: string, p50 = "", p99 = ""): Row =>
    [...[what, who, figure, p50, p99], ...["", ""]] as Row;
  const first = (inFlight: boolean) =>
    inFlight ? "PostgreSQL: durable files, many in flight" : "PostgreSQL: durable reports, each waited for";
  return [
    ...reports.map(({ in_flight, workers, who, per_second, p50_ms, p99_ms }) =>
      row(`${first(in_flight)}, ${workers} workers`, who, `${count(per_second)}/s`, ms(p50_ms), ms(p99_ms)),
    ),
    ...growth.map(({ files, ms_per_report }) =>
      row(
        `PostgreSQL: a report in a half-done session of ${count(files)} files`,
        "sessiond",
        ms(ms_per_report),
      ),
    ),
    ...fleet.map(({ in_flight, workers, daemons, per_second }) =>
      row(
        `${first(in_flight)}, ${workers} workers in 3 processes`,
        daemons === 1 ? "1 daemon" : "3 daemons",
        `${count(per_second)}/s`,
      ),
    ),
    row(
      "PostgreSQL: a change on one daemon in another's event stream",
      "sessiond",
      "",
      ms(gap.p50_ms),
      ms(gap.p99_ms),
    ),
  ];
}

const peerLimits: readonly (readonly [PeerName, number])[] = [
  ["LangGraph PostgresSaver", 10],
  ["DBOS", 10],
  ["pg-boss", 2],
  ["graphile-worker", 2],
];

type Add = (bar: string, wanted: "at least" | "at most", limit: number, measured: number | undefined) => void;

export function postgresBars({ reports, growth, fleet, gap }: Postgres, add: Add): void {
  const ratio = (over: { rounds: number[] } | undefined, under: { rounds: number[] } | undefined) =>
    over && under && pairedRatio(over.rounds, under.rounds);
  for (const inFlight of [true, false]) {
    const how = inFlight ? "many in flight" : "each waited for";
    const own = reports.filter(({ in_flight }) => in_flight === inFlight);
    const [ours, directory] = ["on PostgreSQL", "in a directory"].map((end) =>
      own.find(({ who }) => who.endsWith(end)),
    );
    const bar = `reports, ${how}: files/s on PostgreSQL to those`;
    add(`${bar} in a directory`, "at least", inFlight ? 0.6 : 0.5, ratio(ours, directory));
    for (const [peer, limit] of peerLimits) {
      const theirs = own.find(({ who }) => who === peer);
      add(`${bar} of ${peer}`, "at least", limit, ratio(ours, theirs));
    }
    const [one, three] = ([1, 3] as const).map((number) =>
      fleet.find(({ in_flight, daemons }) => in_flight === inFlight && daemons === number),
    );
    const what = `PostgreSQL, ${how}: files/s of three daemons to those of one`;
    add(what, "at least", inFlight ? 0.9 : 1.2, ratio(three, one));
  }
  const [small, large] = growth;
  const sizes = "PostgreSQL: a report in a session of 100,000 files to one in a session of 100";
  add(sizes, "at most", 1.2, ratio(large, small));
  add("PostgreSQL: p99 in ms of a change in another daemon's event stream", "at most", 250, gap.p99_ms);
}

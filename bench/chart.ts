/**
 * The chart of the documentation: two groups of bars, and the cost of a report in sessions of growing size.
 */
import type { Growth } from "./growth.ts";
import type { Results } from "./results.ts";
import type { Throughput } from "./rounds.ts";
import { axis, type Element, svg, text } from "./svg.ts";
import { count, ms } from "./table.ts";

const width = 860;
const left = 180;
const right = 150;
const barHeight = 18;
const barStep = 26;

export function chart({ waiting, in_flight, growth, machine, mode }: Results): string {
  const elements: Element[] = [];
  let top = 28;
  const panel = (title: string, drawn: { elements: Element[]; height: number }) => {
    elements.push(text(20, top, title, "title"));
    elements.push(`<g transform="translate(0 ${top + 14})">${drawn.elements.join("")}</g>`);
    top += 14 + drawn.height + 34;
  };
  const at64 = (list: readonly Throughput[]) => list.filter(({ workers }) => workers === 64);
  if (waiting !== undefined) {
    panel(
      "Durable reports per second: 64 workers, each waits for every acknowledgement",
      bars(at64(waiting.peers)),
    );
  }
  if (in_flight !== undefined) {
    panel(
      "Durable files per second: 64 workers, each with up to 1,000 in flight",
      bars(at64(in_flight.peers)),
    );
  }
  if (growth !== undefined)
    panel("Time of one durable report, by the number of files in its session", lines(growth));
  const run = mode === "full" ? "" : ", a quick run";
  const where = `Node.js ${machine.node}, ${machine.cores} cores, ${machine.file_system}${run}. npm run bench measures it on yours.`;
  elements.push(text(20, top - 8, where, "note"));
  return svg(width, top + 6, elements);
}

function bars(list: readonly Throughput[]): { elements: Element[]; height: number } {
  const sorted = [...list].sort((a, b) => b.per_second - a.per_second);
  const scale = (width - left - right) / Math.max(...sorted.map(({ per_second }) => per_second));
  const elements = sorted.flatMap(({ peer, per_second }, place) => {
    const y = place * barStep;
    const length = Math.max(1, per_second * scale).toFixed(1);
    return [
      text(left - 10, y + 13, peer, "label end"),
      `<rect class="${barClass(peer)}" x="${left}" y="${y}" width="${length}" height="${barHeight}" rx="2"/>`,
      text(left + Number(length) + 8, y + 13, count(per_second), "value"),
    ];
  });
  return { elements, height: sorted.length * barStep };
}

function isOurs(peer: string): boolean {
  return peer.startsWith("sessiond");
}

function barClass(peer: string): string {
  if (isOurs(peer)) return "ours";
  return peer === "bare journal loop" ? "limit" : "peer";
}

const lineHeight = 260;

function lines(growth: readonly Growth[]): { elements: Element[]; height: number } {
  const sizes = [...new Set(growth.map(({ files }) => files))].sort((a, b) => a - b);
  const costs = growth.map(({ ms_per_report }) => ms_per_report);
  const x = axis([Math.min(...sizes), Math.max(...sizes)], [left - 90, width - right - 40]);
  const y = axis([powerBelow(Math.min(...costs)), powerAbove(Math.max(...costs))], [lineHeight, 0]);
  const elements: Element[] = [];
  for (let power = powerBelow(Math.min(...costs)); power <= powerAbove(Math.max(...costs)); power *= 10) {
    elements.push(`<path class="grid" d="M${x(sizes[0] as number)} ${y(power)}H${width - right - 40}"/>`);
    elements.push(text(left - 100, y(power) + 4, duration(power), "label end"));
  }
  for (const size of sizes) elements.push(text(x(size), lineHeight + 20, count(size), "label middle"));

  // Our line is drawn last, on top of the others.
  const peers = [...new Set(growth.map(({ peer }) => peer))].sort(
    (a, b) => Number(isOurs(a)) - Number(isOurs(b)),
  );
  const ends = peers.map((peer) => {
    const points = growth.filter((entry) => entry.peer === peer).sort((a, b) => a.files - b.files);
    const path = points.map(({ files, ms_per_report }) => `${x(files)} ${y(ms_per_report)}`).join("L");
    const name = isOurs(peer) ? "ours" : "peer";
    elements.push(`<path class="line ${name}" d="M${path}"/>`);
    const last = points.at(-1) as Growth;
    return { peer, cost: last.ms_per_report, y: y(last.ms_per_report) };
  });
  // Labels keep a distance from each other, starting with the lowest.
  let lowest = lineHeight + 30;
  for (const { peer, cost, y } of ends.sort((a, b) => b.y - a.y)) {
    lowest = Math.min(y, lowest - 30);
    const at = width - right - 30;
    elements.push(text(at, lowest, peer, "value"), text(at, lowest + 13, ms(cost), "note"));
  }
  return { elements, height: lineHeight + 24 };
}

function duration(value: number): string {
  if (value < 1) return `${Math.round(value * 1000)} µs`;
  return value < 1000 ? `${value} ms` : `${value / 1000} s`;
}

function powerBelow(value: number): number {
  return 10 ** Math.floor(Math.log10(value));
}

function powerAbove(value: number): number {
  return 10 ** Math.ceil(Math.log10(value));
}

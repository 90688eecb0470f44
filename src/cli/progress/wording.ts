/** Rates and times as short text for displays. Pure. */

import type { Share } from "../../runner/run-session.ts";
import type { Spent } from "../../runner/spending.ts";
import { counted } from "../count.ts";

/** At most seven columns: `1234/s`, `12.3/s`, `4.2/min`, `2.5/h`; `unknown` if there is no value. */
export function rateText(perSecond: number | undefined, unknown: string): string {
  if (perSecond === undefined) return unknown;
  if (perSecond >= 999_500) return `${Math.min(999, Math.round(perSecond / 1e6))}M/s`;
  if (perSecond >= 9999.5) return `${Math.round(perSecond / 1000)}k/s`;
  if (perSecond >= 0.995) return `${rounded(perSecond, 99.95)}/s`;
  if (perSecond * 60 >= 0.995) return `${rounded(perSecond * 60, 9.95)}/min`;
  return `${perSecond * 3600 < 0.05 ? "0" : rounded(perSecond * 3600, 9.95)}/h`;
}

function rounded(value: number, wholeFrom: number): string {
  return value < wholeFrom ? value.toFixed(1) : String(Math.round(value));
}

/** At most seven columns: `45s`, `3m 20s`, `2h 05m`, `1d 3h`; `unknown` if there is no value. */
export function timeText(ms: number | undefined, unknown: string): string {
  if (ms === undefined) return unknown;
  const seconds = Math.round(ms / 1000);
  if (seconds < 60) return `${seconds}s`;
  const minutes = Math.floor(seconds / 60);
  if (minutes < 60) return `${minutes}m ${two(seconds % 60)}s`;
  const hours = Math.floor(minutes / 60);
  if (hours < 24) return `${hours}h ${two(minutes % 60)}m`;
  return `${Math.floor(hours / 24)}d ${hours % 24}h`;
}

/** A time of performance.now() as the local time of day, `14:03:05`, with the date if that is another day. */
export function clockText(atMs: number, nowMs: number, now = new Date()): string {
  const at = new Date(now.getTime() + atMs - nowMs);
  const time = [at.getHours(), at.getMinutes(), at.getSeconds()].map(two).join(":");
  if (at.toDateString() === now.toDateString()) return time;
  return `${at.getFullYear()}-${two(at.getMonth() + 1)}-${two(at.getDate())} ${time}`;
}

/** At most four columns up to some years: `now`, `45s`, `3m`, `2h`, `12d`. */
export function ageText(ms: number): string {
  const seconds = Math.floor(ms / 1000);
  if (seconds < 2) return "now";
  if (seconds < 60) return `${seconds}s`;
  if (seconds < 3600) return `${Math.floor(seconds / 60)}m`;
  if (seconds < 86_400) return `${Math.floor(seconds / 3600)}h`;
  return `${Math.floor(seconds / 86_400)}d`;
}

/** `3 workers`, and what this run has finished itself: `40 by this run`. */
export function shareTexts({ workers, done, failed }: Share): { workers: string; own: string } {
  return { workers: counted(workers, "worker"), own: `${done + failed} by this run` };
}

/** `cost 4.97/5`: amounts with four digits, or whole ones; empty without a budget. */
export function budgetText(budgets: readonly Spent[]): string {
  return budgets.map(({ key, spent, max }) => `${key} ${amount(spent)}/${amount(max)}`).join("  ");
}

/** The budget that is nearest to its maximum, as `cost 4.97/5` and as `budget 99%`; empty without one. */
export function nearestBudget(budgets: readonly Spent[]): { text: string; short: string } {
  const share = ({ spent, max }: Spent) => Number(spent) / Number(max);
  const [nearest] = [...budgets].sort((a, b) => share(b) - share(a));
  if (nearest === undefined) return { text: "", short: "" };
  return { text: budgetText([nearest]), short: `budget ${Math.floor(share(nearest) * 100)}%` };
}

function amount(decimal: string): string {
  const value = Number(decimal);
  return String(Math.abs(value) >= 1000 ? Math.round(value) : Number(value.toPrecision(4)));
}

function two(value: number): string {
  return String(value).padStart(2, "0");
}

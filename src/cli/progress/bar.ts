/** The text of the progress bar: no line is wider than the given columns. Pure. */
import { type RunSnapshot, workedMs } from "../../runner/snapshot.ts";
import type { Look } from "../look.ts";
import type { Style } from "../output.ts";
import { displayWidth, padEnd, padStart } from "../terminal-text.ts";
import { etaMs } from "./rate.ts";
import { ageText, nearestBudget, rateText, shareTexts, timeText } from "./wording.ts";

const narrowestBar = 10;
/** On a line that has hardly room for the percentage. */
const tiniestBar = 4;
const widestBar = 40;
/** Pieces from this `keep` on are shown only if the bar keeps a comfortable width. */
const luxury = 7;
const comfortableBar = 18;
const gap = "  ";
const widestId = 20;
const widestBudget = 24;

type Hold = NonNullable<RunSnapshot["hold"]>;

interface Piece {
  text: string;
  /** A shorter text, for when the whole one does not fit. */
  short?: string;
  style?: Style;
  /** If not all pieces fit, those with the lowest number are kept. */
  keep: number;
}

/** The bar, and below it the files whose commands are running. */
export function barLines(
  progress: RunSnapshot,
  perSecond: number | undefined,
  nowMs: number,
  columns: number,
  look: Look,
): string[] {
  return [barLine(progress, perSecond, columns, look, { nowMs }), filesLine(progress, nowMs, columns, look)];
}

export function barLine(
  progress: RunSnapshot,
  perSecond: number | undefined,
  columns: number,
  look: Look,
  { isFinal = false, nowMs = progress.nowMs }: { isFinal?: boolean; nowMs?: number } = {},
): string {
  const before: Piece = { text: look.fit(progress.sessionId, widestId), style: "bold", keep: 8 };
  const pieces = piecesOf(progress, perSecond, look, { isFinal, nowMs });
  const texts = new Map<Piece, string>();
  const least = Math.min(columns < 30 ? tiniestBar : narrowestBar, columns);
  let room = columns - least;
  for (const piece of [before, ...pieces].sort((a, b) => a.keep - b.keep)) {
    if (piece.text === "") continue;
    const spare = piece.keep >= luxury && !isFinal ? room - (comfortableBar - least) : room;
    const fits = (text: string) => displayWidth(text) + gap.length <= spare;
    const text = [piece.text, piece.short].find((each) => each !== undefined && fits(each));
    if (text === undefined) break;
    room -= displayWidth(text) + gap.length;
    texts.set(piece, text);
  }
  const show = (piece: Piece) => {
    const text = texts.get(piece);
    if (text === undefined) return [];
    return [piece.style === undefined ? text : look.paint(piece.style, text)];
  };
  const width = Math.min(widestBar, least + room);
  return [...show(before), bar(progress, width, look), ...pieces.flatMap(show)].join(gap);
}

function piecesOf(
  progress: RunSnapshot,
  perSecond: number | undefined,
  look: Look,
  { isFinal, nowMs }: { isFinal: boolean; nowMs: number },
): Piece[] {
  const { restored, failedBefore, done, pending, total, running, draining, hold, disconnected } = progress;
  const { slowedTo, waiting } = progress;
  const failed = failedBefore + progress.failed;
  const { none } = look.marks;
  // The rate does not tell when the last files end, which often take longest.
  const isLast = pending === 0 && running.length > 0;
  // Each number gets its final width at once, so that nothing moves while it grows.
  const number = (count: number) => padStart(String(count), String(total).length);
  const settled = restored + done + failed;
  const percent = total === 0 ? 0 : Math.min(100, Math.floor((settled / total) * 100));
  const eta = padEnd(timeText(etaMs(perSecond, pending + running.length), none), 7);
  return [
    { text: padStart(`${percent}%`, 4), style: "bold", keep: 0 },
    { text: `${number(restored + done)} done`, keep: 2 },
    { text: failed === 0 ? "" : `${failed} failed`, style: "red", keep: 1 },
    { text: isFinal && pending === 0 ? "" : `${number(pending)} pending`, keep: 6 },
    sharePiece(progress),
    budgetPiece(progress.budgets, look),
    { text: restored === 0 ? "" : `${restored} earlier`, style: "dim", keep: 7 },
    { text: slowedTo === undefined || isFinal ? "" : `${slowedTo} at once`, style: "yellow", keep: 3 },
    ...(isFinal
      ? [
          { text: rateText(perSecond, ""), keep: 5 },
          { text: `in ${timeText(workedMs(progress, nowMs), "")}`, keep: 4 },
        ]
      : disconnected
        ? [{ text: "no connection", style: "yellow" as const, keep: 3 }]
        : hold !== undefined && draining === undefined
          ? [heldPiece(hold, running.length, look, nowMs)]
          : draining !== undefined || isLast
            ? [finishingPiece(progress, look)]
            : waiting !== undefined && waiting.untilMs > nowMs
              ? [waitingPiece(waiting, nowMs)]
              : [
                  { text: padStart(rateText(perSecond, none), 7), keep: 5 },
                  { text: `ETA ${eta}`, keep: 4 },
                ]),
  ];
}

function waitingPiece({ untilMs, reason }: { untilMs: number; reason: string }, nowMs: number): Piece {
  const time = timeText(Math.max(0, untilMs - nowMs), "");
  return { text: `waiting ${time}: ${reason}`, short: `waiting ${time}`, style: "yellow", keep: 3 };
}

function sharePiece({ share }: RunSnapshot): Piece {
  if (share === undefined) return { text: "", keep: 5.5 };
  const { workers, own } = shareTexts(share);
  return { text: `${own}, ${workers}`, short: own, keep: 5.5 };
}

function budgetPiece(budgets: RunSnapshot["budgets"], look: Look): Piece {
  const { text, short } = nearestBudget(budgets);
  // A part of a number would mean another one.
  return {
    text: displayWidth(text) > widestBudget ? short : look.clip(text, widestBudget),
    short,
    keep: 4.5,
  };
}

function finishingPiece({ running, draining }: RunSnapshot, look: Look): Piece {
  const finishing = `finishing ${running.length}`;
  if (draining === undefined) return { text: finishing, keep: 3 };
  return { text: `${finishing}: ${look.clip(draining, 40)}`, short: finishing, style: "yellow", keep: 3 };
}

function heldPiece({ reason, sinceMs }: Hold, running: number, look: Look, nowMs: number): Piece {
  const short = running > 0 ? `finishing ${running}, then paused` : `paused ${timeText(nowMs - sinceMs, "")}`;
  const text = reason === undefined ? short : `${short}: ${look.clip(reason, 40)}`;
  return { text, short, style: "yellow", keep: 3 };
}

/** Earlier files have a character of their own, because they say nothing about the rate of this run. */
function bar(
  { restored, failedBefore, done, failed, total }: RunSnapshot,
  width: number,
  look: Look,
): string {
  const { marks } = look;
  const upTo = (count: number) =>
    total <= 0 ? 0 : Math.floor(Math.min(1, Math.max(0, count / total)) * width);
  const ends = [upTo(restored), upTo(restored + done), upTo(restored + done + failed + failedBefore), width];
  const segments = [
    ["cyan", marks.restored],
    ["green", marks.done],
    ["red", marks.failed],
    ["dim", marks.rest],
  ] as const;
  let from = 0;
  return segments
    .map(([style, mark], at) => {
      const length = Math.max(0, (ends[at] as number) - from);
      from += length;
      return length === 0 ? "" : look.paint(style, mark.repeat(length));
    })
    .join("");
}

const indent = "  ";
/** The least width for a file, unless the line itself is narrower. */
const columnsPerFile = 32;

/** The longest-running files first, each in a column of the same width, so that none moves the others. */
function filesLine({ running }: RunSnapshot, nowMs: number, columns: number, look: Look): string {
  const files = [...running].sort((a, b) => a.startedMs - b.startedMs);
  if (files.length === 0 || columns < 20) return "";
  const shown = Math.min(files.length, Math.max(1, Math.floor((columns - 8) / columnsPerFile)));
  const more = files.length > shown ? `${gap}+${files.length - shown}` : "";
  const place = Math.floor((columns - indent.length - more.length) / shown) - gap.length;
  const texts = files.slice(0, shown).map(({ file, startedMs, attempt }, at) => {
    const time = padStart(ageOrBlank(nowMs - startedMs), 4);
    const room = place - time.length - 1;
    const tries = ` (try ${attempt})`;
    const again = attempt > 1 && tries.length < room ? tries : "";
    const name = look.fit(file, Math.max(1, room - again.length));
    const text = `${name}${again}`;
    return `${look.paint("dim", time)} ${at < shown - 1 || more !== "" ? padEnd(text, room) : text}`;
  });
  return indent + texts.join(gap) + look.paint("dim", more);
}

/** Files that run only for a moment are shown without a time. */
function ageOrBlank(ms: number): string {
  return ms < 1000 ? "" : ageText(Math.max(ms, 2000));
}

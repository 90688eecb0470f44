/**
 * The live view of `sessionctl top`: turns polls, keys and resizes into frames.
 *
 * The room cli/top/ owns the screen of `sessionctl top`: polls, keys, columns and frames. It changes no
 * session.
 */
import { ConnectionError } from "../../client/http/connection-error.ts";
import type { SessionClient } from "../../client/session-client.ts";
import { SessiondError } from "../../error.ts";
import type { HostProcess } from "../host-process.ts";
import type { Look } from "../look.ts";
import { clampedOffset, frame, lastOffset, sessionRows, type View } from "./frame.ts";
import type { Key } from "./keys.ts";
import { type Poll, poll } from "./poll.ts";
import { noRates, trackRates } from "./rates.ts";
import { openScreen, type Screen } from "./screen.ts";

/** Why the last poll brought nothing; `answers`: the daemon itself has said so. */
interface Trouble {
  readonly message: string;
  readonly answers: boolean;
}

/** How often the times in the frame are redrawn while a reply is slow. */
const redrawMs = 1000;
/** A reply that takes longer than this is reported. */
const slowMs = 3000;

export interface LiveOptions {
  client: SessionClient;
  process: Pick<HostProcess, "stdin" | "stdout">;
  look: Look;
  intervalMs: number;
  /** How commands of sessionctl begin that are suggested. */
  program: string;
  /** Aborted when the terminal cannot be written any more. */
  broken: AbortSignal;
}

/**
 * Shows the sessions until somebody quits.
 *
 * @throws the error of the first poll; later errors are shown, and the polls continue
 */
export async function showLive({
  client,
  process,
  look,
  intervalMs,
  program,
  broken,
}: LiveOptions): Promise<void> {
  const { stdout } = process;
  const clockMs = () => performance.now();
  const first = await poll(client, stdout.rows || 24, clockMs);
  const quit = new AbortController();
  broken.addEventListener("abort", () => quit.abort());
  const { signal } = quit;

  let rates = trackRates(noRates, first);
  let latest: Poll = first;
  let trouble: Trouble | undefined;
  let askedMs = first.atMs;
  let offset = 0;
  let wake = () => {};

  const view = (): View => {
    const silentMs = clockMs() - latest.atMs;
    const isSlow = askedMs > latest.atMs && clockMs() - askedMs > slowMs;
    const away = trouble ?? (isSlow ? { message: "no reply", answers: false } : undefined);
    return {
      poll: latest,
      rates,
      away: away && { ...away, forMs: silentMs },
      offset,
      nowMs: Date.now(),
      program,
    };
  };
  const draw = () => screen.draw(frame(view(), screen.size, look));
  const onKey = (key: Exclude<Key, "stop">) => {
    if (key === "quit") return quit.abort();
    offset = scrolled(key, view(), screen);
    draw();
    if (offset + screen.size.rows > latest.sessions.length) wake();
  };

  const screen: Screen = openScreen(process, {
    onKey,
    onResize() {
      draw();
      wake();
    },
    onGone: () => quit.abort(),
  });
  const redraw = setInterval(draw, redrawMs);
  try {
    draw();
    while (!signal.aborted) {
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, intervalMs);
        wake = () => {
          clearTimeout(timer);
          resolve();
        };
        signal.addEventListener("abort", wake, { once: true });
        if (signal.aborted) wake();
      });
      signal.removeEventListener("abort", wake);
      if (signal.aborted) break;
      askedMs = clockMs();
      try {
        // One screen more than is shown, so that the next page is there at once.
        latest = await poll(client, offset + 2 * screen.size.rows, clockMs, { signal });
        rates = trackRates(rates, latest);
        trouble = undefined;
        offset = clampedOffset(view(), screen.size);
      } catch (error) {
        if (signal.aborted) break;
        trouble = troubleOf(error);
      }
      draw();
    }
  } finally {
    clearInterval(redraw);
    screen.close();
  }
}

/** @throws any error that is not one of the daemon or the connection, since it is a bug */
function troubleOf(error: unknown): Trouble {
  if (!(error instanceof ConnectionError || error instanceof SessiondError)) throw error;
  // What follows the semicolon is advice, for which there is no room.
  const message = error.message.replace(/^sessiond is not running: /, "").replace(/;.*/s, "");
  return { message, answers: error instanceof SessiondError };
}

function scrolled(key: Exclude<Key, "quit" | "stop">, view: View, { size }: Screen): number {
  const page = Math.max(1, sessionRows(view, size) - 1);
  const steps: Readonly<Record<typeof key, number>> = {
    up: -1,
    down: 1,
    page_up: -page,
    page_down: page,
    first: Number.NEGATIVE_INFINITY,
    last: Number.POSITIVE_INFINITY,
  };
  return Math.max(0, Math.min(view.offset + steps[key], lastOffset(view, size)));
}

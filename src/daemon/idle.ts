/** Notices that nobody has used a daemon for a while. */

export interface IdleOptions {
  idleMs: number;
  /** How many connections are open, and how many there were since the start. */
  connections(): { open: number; accepted: number };
  /** Whether a worker holds a lease, with or without a connection. */
  isLeased(): Promise<boolean>;
  /** Whether the store is where it was. After a move no client finds the daemon, which keeps it locked. */
  isInPlace(): boolean;
  /** Called once. */
  onIdle(): void;
}

/** A look costs little, and the end may come this much later. */
const mostBetweenMs = 1000;

/**
 * Calls `onIdle` when for `idleMs` there was no connection and no lease, or as soon as there is no connection
 * and the store is away, where no lease can be given up. Returns what ends the watch. It looks from time to
 * time, and a connection between two looks counts as one at the second.
 */
export function watchIdle({ idleMs, connections, isLeased, isInPlace, onIdle }: IdleOptions): () => void {
  let usedAt = performance.now();
  let accepted = connections().accepted;
  let isIdle = false;
  const timer = setInterval(() => void look(), Math.min(mostBetweenMs, Math.ceil(idleMs / 10)));

  async function look(): Promise<void> {
    const isHeld = await isLeased();
    const now = connections();
    const isAway = now.open === 0 && !isInPlace();
    if (!isAway && (isHeld || now.open > 0 || now.accepted !== accepted)) {
      usedAt = performance.now();
      accepted = now.accepted;
    } else if (!isIdle && (isAway || performance.now() - usedAt >= idleMs)) {
      isIdle = true;
      clearInterval(timer);
      onIdle();
    }
  }

  return () => clearInterval(timer);
}

/** What a peer of the bench is: something that keeps reports of progress durably. */

export interface Peer {
  /**
   * A new session with these files, taken up by one worker with a connection of its own. The first `done` of
   * them are done, and have results, if the peer is used in sessions that are under way.
   */
  open(session: string, files: readonly string[], done: number): Promise<Reporter>;
  /** Forgets all sessions. */
  clear(): Promise<void>;
  close(): Promise<void>;
}

export interface Reporter {
  /** Resolves when it is durable that this file is done and what was found in it. */
  report(file: string): Promise<unknown>;
  /** Does now what the peer put off, so that it is part of what was measured. */
  settle(): Promise<void>;
  /** How many files the peer says are done. */
  stored(): Promise<number>;
  close(): Promise<void>;
}

/** How to reach a peer, or where it may put its files. */
export interface PeerSettings {
  /** A directory of its own. */
  directory: string;
  /** The Unix socket of the server, if there is one. */
  socket: string;
  /** One of several ways to use the peer, where the fastest is looked for first. */
  variant: string;
}

/** Callers of a library that blocks: each waits until those before it had their turn. */
export async function turn(): Promise<void> {
  await undefined;
}

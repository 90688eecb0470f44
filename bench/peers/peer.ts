/** What a peer of the benchmark is: something that stores progress reports durably. */

export interface Peer {
  /**
   * Creates a session with these files, and one worker for it with a connection of its own. The first `done`
   * files are done already and have results.
   */
  open(session: string, files: readonly string[], done: number): Promise<Reporter>;
  /** Deletes all sessions. */
  clear(): Promise<void>;
  close(): Promise<void>;
}

export interface Reporter {
  /** Reports a file as done. Resolves when that and the result are durable. */
  report(file: string): Promise<unknown>;
  /** Does the work that the peer has deferred, so that the measurement includes it. */
  finishDeferred(): Promise<void>;
  /** The number of files that the peer has stored as done. */
  stored(): Promise<number>;
  close(): Promise<void>;
}

/** How to reach a peer, and where it may write. */
export interface PeerSettings {
  /** A directory for this peer alone. */
  directory: string;
  /** The Unix socket of its server, if it has one. */
  socket: string;
  /** The URL of its database, if it has one. */
  url?: string;
  /** One of several ways to use the peer. The fastest is found before the measurement. */
  variant: string;
}

/** A queue for the callers of a blocking library: each waits for those before it. */
export async function turn(): Promise<void> {
  await undefined;
}

/**
 * Reads a socket into one buffer for all connections, as the option `onread` of `net.connect` does. For each
 * read Node.js would else allocate 64 KiB, shrink them to what has come, and pass them through a stream:
 * twice the processor time. Node.js offers this only for sockets that connect, so what the option does is
 * done here for a socket that was accepted. Where Node.js lacks these parts, the socket is read as usual.
 */
import type { Socket } from "node:net";

const shared = Buffer.allocUnsafeSlow(64 * 1024);

/** What `net.Socket` has besides its public interface. */
type Inner = Socket & {
  _handle?: { useUserBuffer?: (buffer: Buffer) => void } | null;
  [part: symbol]: unknown;
};

/** Calls `take` with all bytes that come, from the next tick on. `pause`, `resume` and `end` work as usual. */
export function readDirectly(socket: Socket, take: (bytes: Buffer) => void): void {
  const inner = socket as Inner;
  const [buffer, callback] = [partOf(inner, "kBuffer"), partOf(inner, "kBufferCb")];
  process.nextTick(() => {
    const handle = inner._handle;
    if (buffer === undefined || callback === undefined || handle?.useUserBuffer === undefined) {
      socket.on("data", take);
      return;
    }
    inner[buffer] = shared;
    inner[callback] = (length: number) => {
      const bytes = Buffer.allocUnsafe(length);
      shared.copy(bytes, 0, 0, length);
      take(bytes);
      return true;
    };
    handle.useUserBuffer(shared);
    // What has come by now.
    const before: Buffer | null = socket.read();
    if (before !== null) take(before);
    if (!socket.isPaused()) socket.resume();
  });
}

/** The key of a part that the constructor of `net.Socket` sets. */
function partOf(socket: Inner, name: string): symbol | undefined {
  return Object.getOwnPropertySymbols(socket).find(({ description }) => description === name);
}

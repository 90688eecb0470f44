/** Receives the body of a request, within the limits of its size and of what all requests hold together. */
import type { IncomingMessage } from "node:http";
import type { Socket } from "node:net";
import { SessiondError } from "../../error.ts";
import { formatSize } from "../../text/size.ts";
import type { Buffered, Held } from "./buffered.ts";
import { RequestError } from "./error-reply.ts";

/** Less than this is not counted: it is bounded by the number of connections. */
const smallBytes = 64 * 1024;
const joinedChunks = 64;

export interface ReceiveOptions {
  bodyBytes: number;
  buffered: Buffered;
  /** Called when a body has brought a good part more. */
  onProgress: (socket: Socket) => void;
}

/**
 * Resolves with the body. When others hold too much, it is read no further until there is room.
 *
 * @throws SessiondError `payload_too_large`; RequestError 503 if the body came so slowly that it made room
 *   for others
 */
export function receiveBody(
  request: IncomingMessage,
  { bodyBytes, buffered, onProgress }: ReceiveOptions,
): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const chunks = new Chunks();
    let held: Held | undefined;
    let counted = 0;

    function end(outcome: Buffer | Error): void {
      request.off("data", take).off("end", finish).off("error", closed).off("close", closed);
      held?.release();
      if (Buffer.isBuffer(outcome)) resolve(outcome);
      else reject(outcome);
      // What is left of it is skipped, within the time for a request.
      request.resume();
    }

    function take(chunk: Buffer): void {
      chunks.add(chunk);
      if (chunks.size > bodyBytes) {
        end(bodyTooLarge(bodyBytes));
        return;
      }
      const more = chunks.size - counted;
      if (more < smallBytes) return;
      counted = chunks.size;
      onProgress(request.socket);
      held ??= buffered.hold(() => end(cutForRoom()));
      if (held.add(more)) return;
      request.pause();
      held.whenRoom(() => request.resume());
    }

    const finish = () => end(chunks.joined());
    const closed = () => end(new RequestError(400, "the connection ended before the body did"));

    if (Number(request.headers["content-length"]) > bodyBytes) end(bodyTooLarge(bodyBytes));
    else request.on("data", take).on("end", finish).on("error", closed).on("close", closed);
  });
}

/** What has arrived. Many small chunks are joined early, because each takes memory of its own. */
class Chunks {
  #size = 0;
  readonly #chunks: Buffer[] = [];
  /** The index of the first chunk that may be joined with others. */
  #open = 0;

  get size(): number {
    return this.#size;
  }

  add(chunk: Buffer): void {
    this.#chunks.push(chunk);
    this.#size += chunk.length;
    if (this.#chunks.length - this.#open < joinedChunks) return;
    const joined = Buffer.concat(this.#chunks.splice(this.#open));
    this.#chunks.push(joined);
    if (joined.length >= smallBytes) this.#open++;
  }

  joined(): Buffer {
    const [first] = this.#chunks;
    return this.#chunks.length === 1 && first !== undefined ? first : Buffer.concat(this.#chunks, this.#size);
  }
}

function bodyTooLarge(bodyBytes: number): SessiondError {
  return new SessiondError(
    "payload_too_large",
    `the body is larger than ${formatSize(bodyBytes)} (limits.body in the configuration)`,
  );
}

function cutForRoom(): RequestError {
  const message =
    "the body came too slowly while many others were being received (limits.buffered in the configuration); try again";
  return new RequestError(503, message, { headers: { "retry-after": "1" } });
}

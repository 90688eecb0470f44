/** When a connection that could not be made, or was lost, is tried again. */
import { systemErrorCode } from "../../error.ts";

/** So often is connecting tried where the queue of connections is full, which empties in milliseconds. */
export const connectAttempts = 6;
const maxDelayMs = 500;

/** Whether the daemon is there, and has more callers waiting than its queue holds (listen(2)). */
export function isQueueFull(error: unknown): boolean {
  return systemErrorCode(error) === "EAGAIN";
}

/** Milliseconds to wait after an attempt, counted from 1: twice as long each time, and not the same for all callers. */
export function backoffMs(attempt: number, firstMs: number): number {
  return Math.min(firstMs * 2 ** (attempt - 1), maxDelayMs) * (0.5 + Math.random());
}

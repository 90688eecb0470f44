/** The delays between attempts to connect. */
import { systemErrorCode } from "../../error.ts";

/** How often to try if the daemon's queue of connections is full. The queue empties within milliseconds. */
export const connectAttempts = 6;
const maxDelayMs = 500;

/** Whether the daemon is running but its queue of new connections is full (listen(2)). */
export function isQueueFull(error: unknown): boolean {
  return systemErrorCode(error) === "EAGAIN";
}

/**
 * The delay in milliseconds after an attempt, counted from 1. It doubles each time, and is random within
 * bounds.
 */
export function backoffMs(attempt: number, firstMs: number): number {
  return Math.min(firstMs * 2 ** (attempt - 1), maxDelayMs) * (0.5 + Math.random());
}

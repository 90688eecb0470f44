/**
 * A system service of sessiond on this machine. Where nothing is set up, commands use it: a test of such a
 * command would work on the sessions of others.
 */
import { connect } from "node:net";
import { test } from "vitest";
import { serviceSocketPath } from "../../src/contract/socket-path.ts";

export const systemServiceListens = await new Promise<boolean>((resolve) => {
  const socket = connect(serviceSocketPath, () => {
    socket.destroy();
    resolve(true);
  });
  socket.on("error", () => resolve(false));
});

/** A test that is skipped where the service listens. */
export const testWithoutService = test.skipIf(systemServiceListens);

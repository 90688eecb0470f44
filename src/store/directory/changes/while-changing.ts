import type { SessionId } from "../../../session/session-id.ts";
import { busy } from "../../change-conditions.ts";
import { TargetChanged } from "../disk/durable-files.ts";

/** How often a change is tried again because another program wrote at the same time. */
const changeAttempts = 10;

/** Begins anew as long as another program changes the file between a look at it and our own change. */
export async function whileChanging<T>(id: SessionId, attempt: () => Promise<T>): Promise<T> {
  for (let count = 0; count < changeAttempts; count++) {
    try {
      return await attempt();
    } catch (error) {
      if (!(error instanceof TargetChanged)) throw error;
    }
  }
  throw busy(id);
}

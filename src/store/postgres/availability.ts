/** Says above the seam whether the database can be asked. */
import type { Availability } from "../availability.ts";
import type { Database } from "./connection/database.ts";

export function availabilityOf(database: Database): Availability {
  return {
    get isAway() {
      return !database.available;
    },
    async back(signal) {
      signal?.throwIfAborted();
      await database.whenAvailable(signal);
    },
    onBack(listener) {
      // The database calls back at once as well, if it is there: then it has not come back.
      let isNews = false;
      const end = database.onConnected(() => {
        if (isNews) listener();
      });
      isNews = true;
      return end;
    },
  };
}

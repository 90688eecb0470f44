/** The durable record of all leases. */
import { z } from "zod";

const epochSchema = z
  .int()
  .min(0)
  .max(2 ** 52);

/** What `leases.json` holds. Earlier versions kept no hash and no generation, and knew no shared leases. */
export const leasesRecord = z.object({
  last_epoch: epochSchema,
  leases: z.array(
    z.object({
      session_id: z.string().min(1),
      epoch: epochSchema,
      /** By which its claims know the lease: its first epoch. */
      lease_id: epochSchema.optional(),
      shared: z.boolean().default(false),
      since: z.string().optional(),
      host: z.string().nullable().default(null),
      worker: z.string().nullable(),
      process: z.string().nullable().default(null),
      generation: z.string().nullable().default(null),
      token_sha256: z
        .string()
        .regex(/^[0-9a-f]{64}$/, "must be 64 hexadecimal digits")
        .nullable()
        .default(null),
    }),
  ),
});

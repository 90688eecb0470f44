/** How a connection is encrypted, as `sslmode` of libpq says. */
import { readFileSync } from "node:fs";
import type { ConnectionOptions } from "node:tls";
import { RefusedError } from "./failure.ts";
import { refuseOpenFile } from "./password.ts";
import type { Host, PostgresUrl } from "./postgres-url.ts";

export type Tls = ConnectionOptions | false;

/**
 * What to try, in order: the second one only if the server refuses the first. A socket in the file system is
 * never encrypted. Files are read each time, as certificates are renewed.
 *
 * @throws RefusedError for a file that cannot be read
 */
export function tlsAttempts(url: PostgresUrl, { host }: Host): Tls[] {
  if (host.startsWith("/") || url.sslMode === "disable") return [false];
  const tls = tlsOptions(url);
  if (url.sslMode === "allow") return [false, tls];
  return url.sslMode === "prefer" ? [tls, false] : [tls];
}

function tlsOptions({ sslMode, sslRootCert, sslCert, sslKey }: PostgresUrl): ConnectionOptions {
  if (sslKey !== undefined) refuseOpenFile(sslKey, "the key");
  // As in libpq, `require` with certificates to trust is `verify-ca`. The weaker modes never verify.
  const isVerified = sslMode.startsWith("verify") || (sslMode === "require" && sslRootCert !== undefined);
  return {
    rejectUnauthorized: isVerified,
    ...(sslRootCert === undefined || sslRootCert === "system" ? {} : { ca: readPem(sslRootCert) }),
    ...(sslCert === undefined ? {} : { cert: readPem(sslCert) }),
    ...(sslKey === undefined ? {} : { key: readPem(sslKey) }),
    ...(sslMode === "verify-full" ? {} : { checkServerIdentity: () => undefined }),
  };
}

function readPem(path: string): Buffer {
  try {
    return readFileSync(path);
  } catch (error) {
    throw new RefusedError(`cannot read ${path}: ${(error as Error).message}`, { cause: error });
  }
}

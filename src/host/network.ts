/** Whether this process may use a network at all. */
import { networkInterfaces } from "node:os";

/** False where a sandbox, such as that of the shipped service, allows Unix sockets alone. */
export function mayUseNetwork(): boolean {
  try {
    networkInterfaces();
    return true;
  } catch {
    return false;
  }
}

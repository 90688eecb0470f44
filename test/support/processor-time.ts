/**
 * Milliseconds of processor time that this process takes while the work is under way, however busy the
 * machine is.
 */
export async function processorTime(work: () => Promise<unknown>): Promise<number> {
  const before = process.cpuUsage();
  await work();
  const { user, system } = process.cpuUsage(before);
  return (user + system) / 1000;
}

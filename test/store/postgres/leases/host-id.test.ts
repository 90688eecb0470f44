import { expect, test } from "vitest";
import { hostIdOf } from "../../../../src/store/postgres/leases/host-id.ts";

const place = { machineId: "0123456789abcdef0123456789abcdef", hostname: "web1", instance: "/run/a.sock" };

test("a host has the same id at each start, which names its machine and its socket", () => {
  expect(hostIdOf(place)).toBe(hostIdOf({ ...place }));
  expect(hostIdOf(place)).toMatch(/^web1-[0-9a-f]{8}:\/run\/a\.sock$/);
});

test("daemons of one machine, containers with one machine id, and machines of one name are told apart", () => {
  const others = [{ instance: "/run/b.sock" }, { hostname: "web2" }, { machineId: "f".repeat(32) }];
  const ids = [place, ...others.map((other) => ({ ...place, ...other }))].map(hostIdOf);
  expect(new Set(ids).size).toBe(4);
});

test("the machine id is not shown, and need not be there", () => {
  expect(hostIdOf(place)).not.toContain(place.machineId.slice(0, 8));
  expect(hostIdOf({ ...place, machineId: undefined })).toMatch(/^web1-[0-9a-f]{8}:/);
});

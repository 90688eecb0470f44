import { expect, test } from "vitest";
import { knownKeys } from "../../src/config/json-schema.ts";
import { changedKeys } from "../../src/config/reload.ts";
import { postgresKeys } from "../../src/store/postgres/options.ts";
import { loader } from "./config-text.ts";

const before = "sessions_dir: /data\nsocket: { path: /run/a.sock }\n";

const everythingElse = `
sessions_dir: /other
socket:
  { path: /run/b.sock, mode: "0666", group: staff, read_only_path: /r, read_only_mode: "0666", read_only_group: r }
storage: { max_lag: 2s, rescan_interval: 30s }
worker: { reattach_grace: 5s, on_lost: fail }
cleanup:
  timezone: Europe/Berlin
  on_missed: skip
  max_delete_ratio: 0.1
  max_delete_count: 5
  completed: { enabled: false, schedule: "1 3 * * *", keep_recent: 11 }
  expired: { enabled: false, schedule: "1 3 * * *", max_age: 31d }
  failed: { enabled: false, schedule: "1 4 * * *", max_age: 8d }
trash: { enabled: false, retention: 8d, schedule: "1 4 * * *" }
limits: { body: 1MiB, depth: 10, values: 300000, buffered: 8MiB, connections: 10, request_timeout: 10s }
log: { level: debug }
`;

test("nothing changed is nothing to do, however it is written", async () => {
  const { load } = await loader();
  const same = `${before}cleanup: { expired: { max_age: 720h } }\nlog:\n`;
  expect(changedKeys(load(before), load(same))).toEqual({ live: [], restart: [] });
});

test("every key of the file is known, by the name that it has there", async () => {
  const { load } = await loader();
  const { live, restart } = changedKeys(load(before), load(everythingElse));
  const keys = knownKeys();
  const values = keys.filter((key) => !keys.some((other) => other.startsWith(`${key}.`)));
  const isOfPostgres = (key: string) => Object.keys(postgresKeys).some((name) => key === `storage.${name}`);
  expect([...live, ...restart].sort()).toEqual(values.filter((key) => !isOfPostgres(key)).sort());
  expect([...live].sort()).toEqual(values.filter((key) => /^(worker|cleanup|trash|log)\./.test(key)).sort());
  expect(restart).toEqual(
    expect.arrayContaining(["sessions_dir", "socket.path", "storage.rescan_interval", "limits.body"]),
  );
});

test("a key that came, and one that went", async () => {
  const { load } = await loader();
  const limited = load(`${before}cleanup: { max_delete_count: 3 }\n`);
  const expected = { live: ["cleanup.max_delete_count"], restart: [] };
  expect(changedKeys(load(before), limited)).toEqual(expected);
  expect(changedKeys(limited, load(before))).toEqual(expected);
});

test("another file with the same content is no change", async () => {
  const [one, other] = [await loader(), await loader()];
  expect(changedKeys(one.load(before), other.load(before))).toEqual({ live: [], restart: [] });
});

/** Each `sslmode` against a server with a certificate, without one, and with one that nobody trusts. */
import { execFileSync } from "node:child_process";
import { chmodSync, chownSync, copyFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { eventually } from "../../../support/eventually.ts";
import { type Cluster, testCluster } from "../../../support/postgres/cluster.ts";
import { withoutPostgres } from "../../../support/postgres/database.ts";
import { tempDir } from "../../../support/temp-dir.ts";
import { failure, opened } from "./opened.ts";

/** A certificate for `localhost` that signs itself, as the server's and as the one to trust. */
async function certify(cluster: Cluster): Promise<string> {
  const directory = await tempDir();
  const [key, certificate] = [join(directory, "server.key"), join(directory, "server.crt")];
  const name = ["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"];
  const how = ["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"];
  execFileSync("openssl", [...how, ...name, "-keyout", key, "-out", certificate], { stdio: "ignore" });
  const { uid, gid } = statSync(cluster.data);
  for (const file of [key, certificate]) {
    const copy = join(cluster.data, file.slice(directory.length + 1));
    copyFileSync(file, copy);
    chmodSync(copy, 0o600);
    chownSync(copy, uid, gid);
  }
  return certificate;
}

test.skipIf(withoutPostgres())("sslmode means what it means in libpq", async () => {
  const cluster = await testCluster();
  const trusted = await certify(cluster);
  const other = join(await tempDir(), "other.crt");
  writeFileSync(
    other,
    execFileSync(
      "openssl",
      [
        "req",
        "-x509",
        "-newkey",
        "ec",
        "-pkeyopt",
        "ec_paramgen_curve:prime256v1",
        "-nodes",
        "-subj",
        "/CN=other",
        "-keyout",
        "/dev/null",
      ],
      { stdio: ["ignore", "pipe", "ignore"] },
    ),
  );
  const tried = async (mode: string, { host = "localhost", root = "" } = {}) => {
    const rootCert = root === "" ? "" : `&sslrootcert=${encodeURIComponent(root)}`;
    const url = `postgres://postgres@${host}:${cluster.port}/postgres?sslmode=${mode}${rootCert}`;
    try {
      const database = await opened(url);
      const [row] = await database.query<{ ssl: boolean }>(
        "select ssl from pg_stat_ssl where pid = pg_backend_pid()",
      );
      return row?.ssl === true ? "encrypted" : "plain";
    } catch (error) {
      return (error as { code: string }).code;
    }
  };
  const refused = "invalid_request";
  expect([
    await tried("disable"),
    await tried("allow"),
    await tried("prefer"),
    await tried("require"),
  ]).toEqual(["plain", "plain", "plain", refused]);

  await cluster.configure({ ssl: "on" });
  // Only a new connection says whether the server has read its certificate.
  await eventually(async () => expect(await tried("require")).toBe("encrypted"));
  expect([await tried("disable"), await tried("allow"), await tried("prefer")]).toEqual([
    "plain",
    "plain",
    "encrypted",
  ]);
  const byAddress = { host: "127.0.0.1", root: trusted };
  expect([
    await tried("require", { root: other }),
    await tried("verify-ca", { root: other }),
    await tried("verify-ca", byAddress),
    await tried("verify-full", byAddress),
    await tried("verify-full", { root: trusted }),
    await tried("verify-full", { root: "system" }),
    await tried("verify-full", { root: "/nonexistent" }),
  ]).toEqual([refused, refused, "encrypted", refused, "encrypted", refused, refused]);

  // A server that takes encrypted connections alone.
  writeFileSync(join(cluster.data, "pg_hba.conf"), "local all all trust\nhostssl all all all trust\n");
  await cluster.query("select pg_reload_conf()");
  await eventually(async () => expect(await tried("disable")).toBe(refused));
  expect(await tried("allow")).toBe("encrypted");
  const error = await failure(
    opened(`postgres://postgres@localhost:${cluster.port}/postgres?sslmode=disable`),
  );
  expect(error.message).toContain("no encryption");
});

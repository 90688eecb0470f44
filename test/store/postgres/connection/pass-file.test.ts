import { chmodSync, mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { passwordIn } from "../../../../src/store/postgres/connection/pass-file.ts";
import { passwordFor } from "../../../../src/store/postgres/connection/password.ts";
import { parsePostgresUrl } from "../../../../src/store/postgres/connection/postgres-url.ts";
import { tempDir } from "../../../support/temp-dir.ts";

const place = { host: "db", port: 5432 };
const login = { user: "me", database: "sessions" };

describe("a pass file", () => {
  test.each([
    ["db:5432:sessions:me:pw", "pw"],
    ["db:5432:sessions:me:p:w", "p:w"],
    ["*:*:*:*:pw\n", "pw"],
    ["#db:5432:sessions:me:no\r\ndb:5432:*:me:pw\r\n", "pw"],
    ["db:5433:*:*:no\nDB:*:*:*:no\ndb:*:*:you:no\ndb:*:*:me:pw\ndb:*:*:me:later", "pw"],
    ["db:5432:sessions:me:a\\:b\\\\c", "a:b\\c"],
    ["db:5432:sessions:me:", ""],
    ["db:5432:sessions:me", undefined],
    ["\\*:*:*:*:no", undefined],
    ["", undefined],
  ])("%j", (text, password) => {
    expect(passwordIn(text, place, login)).toBe(password);
  });

  test("names are escaped, and a default socket is localhost", () => {
    expect(passwordIn("a\\:b:*:*:*:pw", { host: "a:b", port: 1 }, login)).toBe("pw");
    expect(passwordIn("localhost:*:*:*:pw", { host: "/var/run/postgresql", port: 5432 }, login)).toBe("pw");
    expect(passwordIn("localhost:*:*:*:pw", { host: "/srv/socket", port: 5432 }, login)).toBeUndefined();
    expect(passwordIn("/srv/socket:*:*:*:pw", { host: "/srv/socket", port: 5432 }, login)).toBe("pw");
  });
});

describe("where the password comes from", () => {
  async function files() {
    const directory = await tempDir();
    const file = (name: string, text: string, mode = 0o600) => {
      const path = join(directory, name);
      writeFileSync(path, text);
      chmodSync(path, mode);
      return path;
    };
    mkdirSync(join(directory, "home"));
    mkdirSync(join(directory, "credentials"));
    file("credentials/postgres-password", "of the credential\n", 0o440);
    file("home/.pgpass", "*:*:*:*:of the home\n");
    const env = { HOME: join(directory, "home") };
    return { file, env, credentials: { ...env, CREDENTIALS_DIRECTORY: join(directory, "credentials") } };
  }
  const from = (url: string, env: NodeJS.ProcessEnv) => passwordFor(parsePostgresUrl(url), place, login, env);

  test("the URL, the file that it names, the credential, PGPASSFILE, and the home directory, in this order", async () => {
    const { file, env, credentials } = await files();
    const named = file("named", "*:*:*:*:of the URL's file\n");
    const ofEnv = file("env", "*:*:*:*:of PGPASSFILE\n");
    const all = { ...credentials, PGPASSFILE: ofEnv };
    expect(from(`postgres://me:pw@db?passfile=${named}`, all)).toBe("pw");
    expect(from(`postgres://me@db?passfile=${named}`, all)).toBe("of the URL's file");
    expect(from("postgres://me@db", all)).toBe("of the credential");
    expect(from("postgres://me@db", { ...env, PGPASSFILE: ofEnv })).toBe("of PGPASSFILE");
    expect(from("postgres://me@db", env)).toBe("of the home");
    expect(from("postgres://me@db", { HOME: "/nonexistent" })).toBeUndefined();
  });

  test("a file that others may read is refused, and one that is named and missing", async () => {
    const { file, env } = await files();
    const open = file("open", "*:*:*:*:pw\n", 0o640);
    expect(() => from("postgres://me@db", { ...env, PGPASSFILE: open })).toThrow("can be read by others");
    expect(() => from(`postgres://me@db?passfile=${open}`, env)).toThrow(`chmod 600 ${open}`);
    expect(() => from("postgres://me@db?passfile=/nonexistent", env)).toThrow("cannot read /nonexistent");
  });
});

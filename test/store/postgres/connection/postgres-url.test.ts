import fc from "fast-check";
import { describe, expect, test } from "vitest";
import {
  parsePostgresUrl,
  shownUrl,
  UrlError,
} from "../../../../src/store/postgres/connection/postgres-url.ts";

const bare = {
  hosts: [{ host: "/var/run/postgresql", port: 5432 }],
  user: undefined,
  password: undefined,
  database: undefined,
  sslMode: "prefer",
  sslRootCert: undefined,
  sslCert: undefined,
  sslKey: undefined,
  passFile: undefined,
  applicationName: "sessiond",
  connectTimeoutMs: undefined,
};
const host = (name: string, port = 5432) => ({ host: name, port });

describe("URLs of the documentation of libpq", () => {
  test.each<[string, object]>([
    ["postgresql://", {}],
    ["postgres://localhost", { hosts: [host("localhost")] }],
    ["postgresql://localhost:5433", { hosts: [host("localhost", 5433)] }],
    ["postgresql://localhost/mydb", { hosts: [host("localhost")], database: "mydb" }],
    ["postgresql://user@localhost", { hosts: [host("localhost")], user: "user" }],
    ["postgresql://user:secret@localhost", { hosts: [host("localhost")], user: "user", password: "secret" }],
    [
      "postgresql://other@localhost/otherdb?connect_timeout=10&application_name=myapp",
      {
        hosts: [host("localhost")],
        user: "other",
        database: "otherdb",
        connectTimeoutMs: 10_000,
        applicationName: "myapp",
      },
    ],
    [
      "postgresql://host1:123,host2:456/somedb?target_session_attrs=any&application_name=myapp",
      { hosts: [host("host1", 123), host("host2", 456)], database: "somedb", applicationName: "myapp" },
    ],
    ["postgresql:///mydb?host=localhost&port=5433", { hosts: [host("localhost", 5433)], database: "mydb" }],
    ["postgresql://[2001:db8::1234]/database", { hosts: [host("2001:db8::1234")], database: "database" }],
    ["postgresql://[::1]:5433,b", { hosts: [host("::1", 5433), host("b")] }],
    [
      "postgresql:///dbname?host=/var/lib/postgresql",
      { hosts: [host("/var/lib/postgresql")], database: "dbname" },
    ],
    [
      "postgresql://%2Fvar%2Flib%2Fpostgresql/dbname",
      { hosts: [host("/var/lib/postgresql")], database: "dbname" },
    ],
    ["postgres://a,b?port=6000", { hosts: [host("a", 6000), host("b", 6000)] }],
    [
      "postgres://u%40x:p%3A%2F%3F@h/d%20b",
      { hosts: [host("h")], user: "u@x", password: "p:/?", database: "d b" },
    ],
    ["postgres://h?ssl=true", { hosts: [host("h")], sslMode: "require" }],
    [
      "postgres://h?sslrootcert=system",
      { hosts: [host("h")], sslMode: "verify-full", sslRootCert: "system" },
    ],
    ["postgres://h?connect_timeout=1", { hosts: [host("h")], connectTimeoutMs: 2000 }],
    ["postgres://h?connect_timeout=0", { hosts: [host("h")] }],
    [
      "postgres://h?password=p&user=u&dbname=d",
      { hosts: [host("h")], user: "u", password: "p", database: "d" },
    ],
  ])("%s", (text, expected) => {
    expect(parsePostgresUrl(text)).toEqual({ ...bare, ...expected });
  });
});

describe("refused, without a word of the password", () => {
  test.each([
    ["mysql://h/d", "must be a URL such as postgres://"],
    ["h/d", "must be a URL"],
    ["host=h password=secret", "must be a URL"],
    ["postgres://u:secret@secret@h/d", "more than one @"],
    ["postgres://u:secret/secret@h/d", "a port that is no number"],
    ["postgres://u:sec%ret@h/d", "a % in the password"],
    ["postgres://u:secret%00@h/d", "%00 in the password"],
    ["postgres://h:0/d", "a port that is no number"],
    ["postgres://h:65536/d", "a port that is no number"],
    ["postgres://a:1,b:2?port=3,4,5", "2 hosts and 3 ports"],
    ["postgres://h?sslmode=strict", "unknown sslmode; write one of disable, allow"],
    ["postgres://h?sslmode=verify-full", "needs sslrootcert=FILE or sslrootcert=system"],
    ["postgres://h?sslmode=require&sslrootcert=system", "safe with sslmode=verify-full alone"],
    ["postgres://h?sslcert=a", "only one of sslcert and sslkey"],
    ["postgres://h?ssl=1", "has ssl, whose only value is true"],
    ["postgres://h?target_session_attrs=standby", "always uses the primary"],
    ["postgres://h?connect_timeout=soon", "no number of seconds"],
    ["postgres://h?options=-c%20fsync=off", "has the parameter options, which is not supported"],
    ["postgres://h?sslmode", "a parameter without a value"],
    ["postgres://h?sec-ret=1", "has a parameter, which is not supported"],
  ])("%s", (text, said) => {
    let message = "";
    try {
      parsePostgresUrl(text);
    } catch (error) {
      expect(error).toBeInstanceOf(UrlError);
      message = (error as Error).message;
    }
    expect(message).toContain(said);
    expect(message).not.toMatch(/secret|sec%ret/);
  });
});

test("whatever is percent-encoded is read back, and shown without the password", () => {
  const word = fc
    .string({ unit: "grapheme", minLength: 1 })
    .filter((text) => !/\0|,/.test(text) && text.isWellFormed());
  const parts = fc.record({
    user: word,
    password: word,
    database: word,
    host: word,
    port: fc.integer({ min: 1, max: 65_535 }),
  });
  fc.assert(
    fc.property(parts, ({ user, password, database, host: name, port }) => {
      const code = encodeURIComponent;
      const url = parsePostgresUrl(
        `postgres://${code(user)}:${code(password)}@${code(name)}:${port}/${code(database)}`,
      );
      expect(url).toMatchObject({ user, password, database, hosts: [{ host: name, port }] });
      const shown = parsePostgresUrl(shownUrl(url));
      expect(shown).toEqual({ ...url, password: undefined });
    }),
  );
});

test("any text is either a URL or refused in words", () => {
  fc.assert(
    fc.property(fc.string(), (text) => {
      try {
        parsePostgresUrl(`postgres://${text}`);
      } catch (error) {
        expect(error).toBeInstanceOf(UrlError);
      }
    }),
  );
});

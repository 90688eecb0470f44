import { expect, test } from "vitest";
import { SessiondError } from "../../../../src/error.ts";
import { callerError, failureOf, markEnding } from "../../../../src/store/postgres/connection/failure.ts";
import { onlyReads } from "../../../../src/store/postgres/connection/statement.ts";

const server = (code: string, severity = "ERROR") => Object.assign(new Error("said so"), { code, severity });
const system = (code: string) => Object.assign(new Error("failed"), { code });

test.each([
  ["conflict", server("40001")],
  ["conflict", server("40P01")],
  ["full", server("53100")],
  ["crowded", server("53300", "FATAL")],
  ["away", server("25006")],
  ["away", server("57P01", "FATAL")],
  ["away", server("57P02", "FATAL")],
  ["away", server("57P03", "FATAL")],
  ["away", server("08006", "FATAL")],
  ["refused", server("28P01", "FATAL")],
  ["refused", server("3D000", "FATAL")],
  ["busy", server("57014")],
  ["busy", server("53200")],
  ["bug", server("42601")],
  ["bug", server("23505")],
  ["away", system("ECONNREFUSED")],
  ["away", system("ECONNRESET")],
  ["away", system("EPIPE")],
  ["away", system("ENOENT")],
  ["away", system("ENOTFOUND")],
  ["away", system("EAI_AGAIN")],
  ["away", new Error("Connection terminated unexpectedly")],
  ["away", new Error("timeout expired")],
  ["refused", system("SELF_SIGNED_CERT_IN_CHAIN")],
  ["refused", system("CERT_HAS_EXPIRED")],
  ["refused", system("ERR_TLS_CERT_ALTNAME_INVALID")],
  ["refused", new Error("The server does not support SSL connections")],
  ["bug", new TypeError("x is not a function")],
  ["bug", system("ERR_INVALID_ARG_TYPE")],
])("%s: %s", (failure, error) => {
  expect(failureOf(error)).toBe(failure);
});

test("the outcome is unknown only if a commit was sent, and the server did not say that it failed", () => {
  const lost = new Error("Connection terminated unexpectedly");
  expect(callerError(lost, true)).toMatchObject({ code: "storage_unavailable", outcome: "unknown" });
  expect(callerError(lost, false)).toMatchObject({ code: "storage_unavailable", outcome: "not_applied" });
  expect(callerError(server("25006"), true)).toMatchObject({ outcome: "not_applied" });
  // It ends the connection, maybe after the commit.
  const last = server("57P01", "FATAL");
  markEnding(last);
  expect(callerError(last, true)).toMatchObject({ outcome: "unknown" });
  // A German server.
  expect(callerError(server("57014", "FEHLER"), true)).toMatchObject({ outcome: "not_applied" });
  expect(callerError(server("53100"), true)).toMatchObject({ code: "storage_full", outcome: "not_applied" });
  const bug = server("42601");
  expect(callerError(bug, true)).toBe(bug);
  const own = new SessiondError("session_not_found", "no");
  expect(callerError(own, true)).toBe(own);
});

test.each([
  [true, "select a from t"],
  [true, "  SELECT 1"],
  [true, "with a as (select 1) select * from a"],
  [true, "show fsync"],
  [true, "select updated, deleted_at, inserts from t"],
  [false, "with u as (update t set a = 1 returning a) select a from u"],
  [false, "insert into t values (1)"],
  [false, "select a from t for update"],
  [false, "select a from t for no key share"],
  [false, "select nextval('epochs')"],
  [false, "select a into b from t"],
  [false, "delete from t"],
  [false, "do $$ begin end $$"],
  [false, "begin"],
])("reads only: %s, %s", (reads, text) => {
  expect(onlyReads(text)).toBe(reads);
});

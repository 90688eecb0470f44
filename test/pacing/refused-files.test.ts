/** Tests when a file that is refused again and again counts as failed. */
import { expect, test } from "vitest";
import { mostRefusals, RefusedFiles } from "../../src/pacing/refused-files.ts";

const others = { isOtherLeft: true };
const alone = { isOtherLeft: false };

test("a file that is refused 20 times while others succeed is at fault", () => {
  const files = new RefusedFiles();
  for (let times = 1; times < mostRefusals; times++) {
    expect(files.refused("bad", others)).toBe(false);
    files.succeeded(`good ${times}`);
  }
  expect(files.refused("bad", others)).toBe(true);
});

test("while a service is down, no file is at fault", () => {
  const files = new RefusedFiles();
  files.succeeded("before");
  for (let times = 0; times < 100; times++) {
    expect(files.refused("a", others)).toBe(false);
    expect(files.refused("b", alone)).toBe(false);
  }
});

test("once only refused files are left, it is enough that others have succeeded since the first refusal", () => {
  const files = new RefusedFiles();
  files.refused("bad", others);
  files.succeeded("good");
  for (let times = 2; times < mostRefusals; times++) expect(files.refused("bad", alone)).toBe(false);
  expect(files.refused("bad", alone)).toBe(true);
});

test("a success of the file itself starts its count anew", () => {
  const files = new RefusedFiles();
  for (let times = 0; times < 100; times++) {
    expect(files.refused("slow", others)).toBe(false);
    files.succeeded("slow");
  }
});

import { expect, test } from "vitest";
import { hidePasswords } from "../../src/text/hide-passwords.ts";

test.each([
  ["postgres://u:secret@h/x", "postgres://u:…@h/x"],
  ['not "postgresql://u:se@cr/et@h/x" here', 'not "postgresql://u:…@h/x" here'],
  [
    "postgres://h/x?user=u&password=secret&sslmode=require",
    "postgres://h/x?user=u&password=…&sslmode=require",
  ],
  ["postgres://:secret@h", "postgres://:…@h"],
  ["postgres://u@h:5432/x", "postgres://u@h:5432/x"],
  ["postgres://h:5432/x", "postgres://h:5432/x"],
  ["12:30 a@b", "12:30 a@b"],
])("%s", (text, shown) => {
  expect(hidePasswords(text)).toBe(shown);
});

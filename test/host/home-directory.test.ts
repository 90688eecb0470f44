/** Where the home directory of a user is. */
import { userInfo } from "node:os";
import { expect, test } from "vitest";
import { homeDirectory } from "../../src/host/home-directory.ts";

test("an absolute HOME counts, and otherwise what the system knows", () => {
  expect(homeDirectory({ HOME: "/somewhere" })).toBe("/somewhere");
  for (const env of [{}, { HOME: "" }, { HOME: "relative" }])
    expect(homeDirectory(env)).toBe(userInfo().homedir);
});

/** Which files a pattern means: each pattern beside the find command that means the same, over real trees. */
import { execFileSync } from "node:child_process";
import { chmodSync, mkdirSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { join, relative } from "node:path";
import { describe, expect, test } from "vitest";
import { Excludes } from "../../src/find/excludes.ts";
import { findFiles } from "../../src/find/find-files.ts";
import { PatternError } from "../../src/find/pattern-error.ts";
import { withoutRoot } from "../support/without-root.ts";
import { find, type SearchOptions, search, tree } from "./tree.ts";

const project = [
  "a.js",
  "b.ts",
  ".hidden.js",
  "A.JS",
  "src/a.js",
  "src/ab.js",
  "src/b.ts",
  "src/.dot.js",
  "src/deep/c.js",
  "src/deep/er/d.js",
  "src/.git/e.js",
  "node_modules/z/3.js",
  "src/node_modules/y/4.js",
  "vendor/v.js",
  "empty/",
];
const odd = [
  "sub/*.js",
  "sub/a.js",
  "sub/[x].js",
  "sub/x.js",
  "sub/{a}.js",
  "sub/{a,b}.js",
  "sub/b.js",
  "sub/$(x).js",
  "sub/(g)/h.js",
  "sub/a b.js",
  "sub/new\nline.js",
  "sub/qu'o\"te.js",
  "sub/back\\slash.js",
  "sub/!n.js",
  "sub/-n.js",
  "sub/~.js",
  "sub/👍.js",
  "sub/\u00e9.js",
  "sub/e\u0301.js",
  "sub/?.js",
  "sub/@(x|y).js",
];
const visible = "-not -path '*/.*'";
/** The same where names begin with `..`. */
const up = "-not -path '*/.[!.]*'";

describe.each<[tree: string, entries: string[], rows: [string, string][]]>([
  [
    "a project",
    project,
    [
      ["*.js", "* -maxdepth 0 -type f -name '*.js'"],
      ["*", "* -maxdepth 0 -type f"],
      [".*", ". -maxdepth 1 -type f -name '.*' -printf '%f\\0' -false"],
      ["?.js", "* -maxdepth 0 -type f -name '?.js'"],
      ["src/*.js", "src/* -maxdepth 0 -type f -name '*.js'"],
      ["src//./*.js", "src/* -maxdepth 0 -type f -name '*.js'"],
      ["./src/*.js", "./src/* -maxdepth 0 -type f -name '*.js'"],
      ["src/../*.js", "src/../* -maxdepth 0 -type f -name '*.js'"],
      ["src/.*", "src -maxdepth 1 -type f -name '.*'"],
      ["src/.*/*", "src/.git -type f"],
      ["**/*.js", `* -type f -name '*.js' ${visible}`],
      ["**/**/*.js", `* -type f -name '*.js' ${visible}`],
      ["./**/*.js", `./* -type f -name '*.js' ${visible}`],
      ["**", `* -type f ${visible}`],
      ["src/**", `src -type f ${visible}`],
      ["**/a.js", `* -type f -name a.js ${visible}`],
      ["**/deep/**", `src/deep -type f`],
      ["**/deep/*.js", `src/deep -maxdepth 1 -type f -name '*.js'`],
      ["src/**/d*/**/*.js", `src/deep -type f -name '*.js'`],
      ["src/a**.js", "src -maxdepth 1 -type f -name 'a*.js'"],
      ["*/*/*.js", `* -mindepth 2 -maxdepth 2 -type f -name '*.js' ${visible}`],
      ["[ab].*", "* -maxdepth 0 -type f -name '[ab].*'"],
      ["[!a]*.[jt]s", "* -maxdepth 0 -type f -name '[!a]*.[jt]s'"],
      ["[^a]*.[jt]s", "* -maxdepth 0 -type f -name '[!a]*.[jt]s'"],
      ["[[:upper:]]*", "* -maxdepth 0 -type f -name '[[:upper:]]*'"],
      ["{a,b}.{js,ts}", "* -maxdepth 0 -type f \\( -name '[ab].js' -o -name '[ab].ts' \\)"],
      ["{src/{a,ab},vendor/v}.js", "src/a.js src/ab.js vendor/v.js"],
      ["{src,vendor}/**/*.js", `src vendor -type f -name '*.js' ${visible}`],
      ["src/@(a|b).@(js|ts)", "src/a.js src/b.ts"],
      ["src/!(a).js", "src -maxdepth 1 -type f -name '*.js' -not -name a.js -not -name '.*'"],
      ["src/+(a|b).js", "src/a.js src/ab.js"],
      ["A.JS", "A.JS"],
      ["empty/**", "empty -type f"],
      ["nothing/**", "empty -type f"],
      ["a.js/**", "empty -type f"],
      ["a.js/", "empty -type f"],
      ["src", "empty -type f"],
      ["**/", "empty -type f"],
    ],
  ],
  [
    "odd names",
    odd,
    [
      ["sub/*.js", "sub -maxdepth 1 -type f -name '*.js'"],
      ["sub/\\*.js", "'sub/*.js'"],
      ["sub/[*].js", "'sub/*.js'"],
      ["sub/\\[x\\].js", "'sub/[x].js'"],
      ["sub/{a}.js", "'sub/{a}.js'"],
      ["sub/(g)/*", "'sub/(g)/h.js'"],
      ["sub/a b.js", "'sub/a b.js'"],
      ["sub/new*", "sub -maxdepth 1 -name 'new*'"],
      ["sub/back\\\\slash.js", "'sub/back\\slash.js'"],
      ["sub/!n.js", "'sub/!n.js'"],
      ["sub/-*", "sub -maxdepth 1 -name '-*'"],
      ["sub/~.js", "sub/~.js"],
      ["sub/?.js", "sub -maxdepth 1 -type f -name '?.js'"],
      ["sub/\\?.js", "'sub/?.js'"],
      ["sub/[\\]\\[]x[\\]].js", "'sub/[x].js'"],
      ["sub/[x*", "'sub/[x].js'"],
      ["sub/é.js", "sub/é.js"],
      ["sub/e\u0301.js", "sub/e\u0301.js"],
      ["sub/??.js", "'sub/!n.js' sub/-n.js sub/e\u0301.js"],
      ["sub/[é👍].js", "sub/é.js sub/👍.js"],
      ["sub/$(x).js", "'sub/$(x).js'"],
      ["sub/*'*\"*.js", "sub -maxdepth 1 -name 'qu*'"],
      // The name of a file, and a pattern for others.
      ["sub/[x].js", "'sub/[x].js' sub/x.js"],
      ["sub/{a,b}.js", "'sub/{a,b}.js' sub/a.js sub/b.js"],
      ["sub/@(x|y).js", "'sub/@(x|y).js' sub/x.js"],
    ],
  ],
])("the files that a pattern means, in %s", (_, entries, rows) => {
  test.each(rows)("%j is find %s", async (pattern, command) => {
    const cwd = await tree(...entries);
    const expected = find(cwd, command);
    const { files } = await search(cwd, pattern);
    expect(files).toEqual(expected);
  });

  test.each(rows)("%j as an absolute pattern", async (pattern, command) => {
    const cwd = await tree(...entries);
    const { files } = await search("/", join(cwd, pattern) + (pattern.endsWith("/") ? "/" : ""));
    const plain = find(cwd, command).map((name) => join(cwd, name));
    expect(files).toEqual(plain.sort());
  });
});

describe("what is excluded is neither found nor entered", () => {
  const without = (...names: string[]) => names.map((name) => `-not -path '${name}'`).join(" ");
  const all = `* -type f -name '*.js' ${visible}`;

  test.each<[pattern: string, exclude: string[], command: string, cwd?: string]>([
    ["**/*.js", ["**/node_modules/**"], `${all} ${without("node_modules/*", "*/node_modules/*")}`],
    ["**/*.js", ["node_modules/**"], `${all} ${without("node_modules/*")}`],
    ["**/*.js", ["node_modules"], `${all} ${without("node_modules/*")}`],
    ["**/*.js", ["node_modules/"], `${all} ${without("node_modules/*")}`],
    ["**/*.js", ["**/node_modules"], `${all} ${without("node_modules/*", "*/node_modules/*")}`],
    ["**/*.js", ["a.js"], `${all} ${without("a.js")}`],
    ["**/*.js", ["./a.js", "src/../vendor"], `${all} ${without("a.js", "vendor/*")}`],
    ["**/*.js", ["a.js/"], all],
    ["**/*.js", ["a.js/**"], all],
    ["**/*.js", ["**/a.js"], `${all} ${without("a.js", "*/a.js")}`],
    ["**/*.js", ["{vendor,src/deep}/**", "**/3.*"], `${all} ${without("vendor/*", "src/deep/*", "*/3.*")}`],
    ["**/*.js", ["src/*/**"], `${all} ${without("src/*/*")}`],
    ["vendor/**", ["vendor"], "empty -type f"],
    ["vendor/**", ["**/vendor/**"], "empty -type f"],
    ["src/.*/**", ["src/*/**"], "empty -type f"],
    ["src/**/.*", ["**/.*"], "empty -type f"],
    ["a.js", ["a.js"], "empty -type f"],
    ["a.js", ["*"], "empty -type f"],
    ["*.js", ["**"], "empty -type f"],
    // Above the directory, as the names of the files begin.
    [
      "../../**/*.js",
      ["**/node_modules/**"],
      `../../* -type f -name '*.js' -not -path '*/node_modules/*' ${up}`,
      "src/deep",
    ],
    [
      "../../**/*.js",
      ["../../node_modules"],
      `../../* -type f -name '*.js' -not -path '../../node_modules/*' ${up}`,
      "src/deep",
    ],
    ["../../**/*.js", ["c.js"], `../../* -type f -name '*.js' -not -path '*/c.js' ${up}`, "src/deep"],
    ["../../**/*.js", ["er/**"], `../../* -type f -name '*.js' -not -path '*/er/*' ${up}`, "src/deep"],
    ["../../**/*.js", [], `../../* -type f -name '*.js' ${up}`, "src/deep"],
  ])("%j without %j is find %s", async (pattern, exclude, command, directory = ".") => {
    const root = await tree(...project);
    const cwd = join(root, directory);
    const { files } = await search(cwd, pattern, { exclude });
    expect(files).toEqual(find(cwd, command));
    const absolute = await search("/", join(cwd, pattern), {
      exclude: exclude.map((one) => absolutely(cwd, one)),
    });
    expect(absolute.files.map((file) => relative(root, file)).sort()).toEqual(
      files.map((file) => relative(root, join(cwd, file))).sort(),
    );
  });

  test("by its name, if a file is called like the pattern", async () => {
    const cwd = await tree("[x].js", "x.js", "y.js");
    expect((await search(cwd, "*.js", { exclude: ["[x].js"] })).files).toEqual(["y.js"]);
    expect((await search(cwd, "[x].js", { exclude: ["\\[x\\].js"] })).files).toEqual(["x.js"]);
  });

  test("also by the name of the directory itself, as it is used inside a directory of that name", async () => {
    const cwd = join(
      await tree("node_modules/own/a.js", "node_modules/own/node_modules/b.js"),
      "node_modules/own",
    );
    expect((await search(cwd, "**/*.js", { exclude: ["**/node_modules/**"] })).files).toEqual(["a.js"]);
  });
});

function absolutely(cwd: string, pattern: string): string {
  return pattern.startsWith("**/") ? pattern : join(cwd, pattern) + (/\/$/.test(pattern) ? "/" : "");
}

test.each([
  ["!a.js", "--exclude"],
  ["*/../a.js", "goes up"],
  ["{1..200}{1..200}", "more than 10000"],
  ["{1..99999}", "more than 10000"],
  [`${"{".repeat(60)}a,b${"}".repeat(60)}`, undefined],
  [`${"{a,".repeat(60)}${"}".repeat(60)}`, "nested"],
])("the pattern %j is refused: %s", async (pattern, said) => {
  const cwd = await tree();
  if (said === undefined) await expect(search(cwd, pattern)).resolves.toMatchObject({ files: [] });
  else {
    await expect(search(cwd, pattern)).rejects.toThrow(PatternError);
    await expect(search(cwd, pattern)).rejects.toThrow(said);
  }
});

test("a pattern with many wildcards does not keep a long name busy", async () => {
  const name = "-".repeat(255);
  const cwd = await tree(name, `${name.slice(1)}x`);
  const before = process.cpuUsage().user;
  expect((await search(cwd, `${"*-".repeat(40)}*x`)).files).toEqual([`${name.slice(1)}x`]);
  expect((await search(cwd, `${"*[!a]-?".repeat(20)}*`)).files).toHaveLength(2);
  for (const pattern of ["*-*-*-*-*-*.@(js|ts)", "+(*-)y", "+(-|--)y", "*(*-|?)y", "!(*-*-*-*-*)z"])
    expect((await search(cwd, pattern)).files).toEqual([]);
  expect(process.cpuUsage().user - before).toBeLessThan(1_000_000);
});

test("says when a pattern is also the name of a file", async () => {
  const cwd = await tree("[x].js", "x.js", "sub/*.js", "sub/a.js", "[y].js");
  expect(await search(cwd, "[x].js")).toMatchObject({ files: ["[x].js", "x.js"], isAmbiguous: true });
  expect(await search(cwd, "[y].js")).toMatchObject({ files: ["[y].js"], isAmbiguous: false });
  expect(await search(cwd, "sub/*.js")).toMatchObject({
    files: ["sub/*.js", "sub/a.js"],
    isAmbiguous: false,
  });
});

describe("what is no file, or cannot be looked at, is skipped with the reason", () => {
  const skipped = async (cwd: string, pattern: string, options?: SearchOptions) => {
    const { files, skipped } = await search(cwd, pattern, options);
    return {
      files,
      skipped: skipped.map(({ name, why, detail }) => `${name}: ${why} ${detail}`.trim()).sort(),
    };
  };

  test("directories named, and patterns without a match", async () => {
    const cwd = await tree("src/a.js");
    expect(await skipped(cwd, "src")).toEqual({ files: [], skipped: ["src: directory"] });
    expect(await skipped(cwd, ".")).toEqual({ files: [], skipped: [".: directory"] });
    expect(await skipped(cwd, "*/")).toEqual({ files: [], skipped: ["*/: directory"] });
    for (const pattern of ["b*", "b.js", "no/b*", "src/a.js/b", "src/a.js/*"]) {
      expect(await skipped(cwd, pattern)).toEqual({ files: [], skipped: [`${pattern}: no-match`] });
    }
  });

  test("links: those to files are files, those to directories are entered on request", async () => {
    const cwd = await tree(
      "real/a.js",
      "l.js -> real/a.js",
      "dir -> real",
      "dead.js -> nowhere",
      "self.js -> self.js",
    );
    const found = await skipped(cwd, "**/*.js");
    expect(found.files).toEqual(["l.js", "real/a.js"]);
    expect(found.skipped).toEqual([
      "dead.js: dead-link",
      "dir: linked-directory",
      expect.stringMatching(/^self.js: loop/),
    ]);
    expect((await search(cwd, "**/*.js")).links).toEqual(new Set(["l.js"]));
    const followed = await skipped(cwd, "**/*.js", { follow: true });
    expect(followed.files).toEqual(["dir/a.js", "l.js", "real/a.js"]);
    // The user has named these links.
    expect((await search(cwd, "dir/*.js")).files).toEqual(["dir/a.js"]);
    expect(await skipped(cwd, "dir/**", { exclude: ["dir"] })).toMatchObject({ files: [] });
    expect((await skipped(cwd, "**/*.js", { exclude: ["dir", "dead.js", "self*"] })).skipped).toEqual([]);
    expect((await skipped(cwd, "**/*.js", { exclude: ["dir/**", "dead.js", "self*"] })).skipped).toEqual([]);
    expect(await skipped(cwd, "dead.js")).toEqual({ files: [], skipped: ["dead.js: dead-link"] });
    expect(await skipped(cwd, "dead.js/*")).toEqual({ files: [], skipped: ["dead.js: dead-link"] });
  });

  test("loops of directories are entered once", async () => {
    const cwd = await tree("a/b/c.js", "a/b/up -> ..", "a/b/down -> .", "x -> y", "y/y.js", "y/back -> ../x");
    const { files, skipped: loops } = await skipped(cwd, "**/*.js", { follow: true });
    expect(files).toEqual(["a/b/c.js", "x/y.js", "y/y.js"]);
    expect(loops.map((line) => line.replace(/ .*/, ""))).toEqual([
      "a/b/down:",
      "a/b/up:",
      "x/back:",
      "y/back:",
    ]);
    expect(loops[0]).toContain("loop");
  });

  test("sockets, pipes and devices", async () => {
    const cwd = await tree("a");
    execFileSync("mkfifo", [join(cwd, "pipe")]);
    symlinkSync("/dev/null", join(cwd, "null"));
    const { files, skipped: all } = await skipped(cwd, "*");
    expect([files, all]).toEqual([["a"], ["null: special device", "pipe: special pipe"]]);
    expect(await skipped(cwd, "pipe")).toEqual({ files: [], skipped: ["pipe: special pipe"] });
  });

  test("names that are not UTF-8, also of directories", async () => {
    const cwd = await tree("good.js");
    const name = (text: string) => Buffer.concat([Buffer.from(`${cwd}/`), Buffer.from(text, "latin1")]);
    mkdirSync(name("d\xff"));
    for (const file of ["\xe9.js", "d\xff/in.js", "d\xff/other", "\xe9.ts"]) writeFileSync(name(file), "");
    writeFileSync(join(cwd, "\ufffd.js"), "");
    expect(await skipped(cwd, "**/*.js")).toEqual({
      files: ["good.js", "\ufffd.js"],
      skipped: ["\\xe9.js: name", "d\\xff/in.js: name"],
    });
    expect((await skipped(cwd, "**/*.js", { exclude: ["d?", "\ufffd*"] })).files).toEqual(["good.js"]);
    // Node.js gives a program such names with U+FFFD.
    expect(await skipped(cwd, "d\ufffd/in.js")).toEqual({ files: [], skipped: ["d\\xff/in.js: name"] });
    expect(await skipped(cwd, "\ufffd.js")).toEqual({ files: ["\ufffd.js"], skipped: ["\\xe9.js: name"] });
    expect(await skipped(cwd, "\ufffd.md")).toEqual({ files: [], skipped: ["\ufffd.md: no-match"] });
  });

  test("directories that cannot be read or passed", async () => {
    withoutRoot();
    const cwd = await tree("secret/a.js", "src/b.js", "blind/c.js");
    chmodSync(join(cwd, "secret"), 0o000);
    chmodSync(join(cwd, "blind"), 0o111);
    try {
      const denied = (name: string) => `${name}: unreadable permission denied`;
      expect(await skipped(cwd, "**/*.js")).toEqual({
        files: ["src/b.js"],
        skipped: [denied("blind"), denied("secret")],
      });
      expect((await skipped(cwd, "**/*.js", { exclude: ["secret", "blind/**"] })).skipped).toEqual([]);
      expect(await skipped(cwd, "secret/a.js")).toEqual({ files: [], skipped: [denied("secret/a.js")] });
      expect(await skipped(cwd, "secret/*.js")).toEqual({ files: [], skipped: [denied("secret")] });
      expect((await search(cwd, "blind/c.js")).files).toEqual(["blind/c.js"]);
      expect((await search(cwd, "src/*.js")).skipped).toEqual([]);
    } finally {
      for (const name of ["secret", "blind"]) chmodSync(join(cwd, name), 0o755);
    }
  });

  test("a directory that vanishes during the search", async () => {
    const cwd = await tree("a/x.js", "b/y.js", "c/z.js");
    const excludes = new Excludes([], cwd);
    // The last directory is entered first: the others vanish while it is looked at.
    const enter = excludes.step.bind(excludes);
    excludes.step = (state, name) => {
      if (name === "c") rmSync(join(cwd, "b"), { recursive: true });
      return enter(state, name);
    };
    const found = await findFiles({ pattern: "**/*.js", cwd, follow: false, excludes });
    expect(found.files).toEqual(["a/x.js", "c/z.js"]);
    expect(found.skipped).toEqual([{ name: "b", why: "vanished", detail: "" }]);
  });
});

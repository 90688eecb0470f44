/**
 * Holds the Markdown pages: links and file names resolve, every page can be reached, and nothing is left
 * undescribed.
 */
import { execFileSync } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { basename, dirname, join, relative, resolve } from "node:path";
import { describe, expect, test } from "vitest";
import { createProgram } from "../src/cli/program.ts";
import { knownKeys } from "../src/config/json-schema.ts";
import { endpoints } from "../src/contract/routes.ts";
import { errorCodes } from "../src/error.ts";

const root = resolve(import.meta.dirname, "..");
/** What git knows of, and what a newcomer has not added yet. */
const files = execFileSync("git", ["ls-files", "--cached", "--others", "--exclude-standard"], {
  cwd: root,
  encoding: "utf8",
})
  .split("\n")
  .filter((file) => existsSync(join(root, file)));
const names = new Set(files.map((file) => basename(file)));
const pages = files.filter((file) => file.endsWith(".md"));
/** Pages that only a clone has: the package for Python has one of its own. */
const isOnlyInSource = (page: string) => page.startsWith("python/");
const textOf = (page: string) => readFileSync(join(root, page), "utf8");

interface Line {
  page: string;
  number: number;
  text: string;
}

/** The lines of a page outside of code blocks. */
function prose(page: string): Line[] {
  let isCode = false;
  return textOf(page)
    .split("\n")
    .map((text, index) => ({ page, number: index + 1, text }))
    .filter(({ text }) => {
      if (text.startsWith("```")) isCode = !isCode;
      return !isCode && !text.startsWith("```") && !/^ {4}/.test(text);
    });
}

const allProse = pages.flatMap(prose);
const at = ({ page, number }: Line, what: string) => `${page}:${number}: ${what}`;

interface Link {
  line: Line;
  /** From the root of the project. */
  target: string;
  anchor: string | undefined;
}

/** Links to other pages and places, without those to the web. */
const links: Link[] = allProse.flatMap((line) =>
  [...line.text.matchAll(/\]\(([^)\s]+)\)/g)]
    .map((match) => match[1] as string)
    .filter((link) => !/^[a-z]+:/.test(link))
    .map((link) => {
      const [path = "", anchor] = link.split("#");
      const target = path === "" ? line.page : relative(root, resolve(root, dirname(line.page), path));
      return { line, target, anchor };
    }),
);

/** As the web interfaces of git make them. */
function anchorsOf(page: string): string[] {
  return prose(page)
    .filter(({ text }) => /^#+ /.test(text))
    .map(({ text }) =>
      text
        .replace(/^#+ /, "")
        .toLowerCase()
        .replace(/[^\p{L}\p{N}\s_-]/gu, "")
        .replace(/\s/g, "-"),
    );
}

test("the pages were found", () => {
  expect(pages).toEqual(expect.arrayContaining(["README.md", "docs/README.md", "docs/decisions/README.md"]));
  expect(links.length).toBeGreaterThan(50);
});

test("every relative link leads somewhere", () => {
  const broken = links
    .filter(({ target, anchor }) => {
      if (!existsSync(join(root, target))) return true;
      return anchor !== undefined && !anchorsOf(target).includes(anchor);
    })
    .map(({ line, target, anchor }) => at(line, `${target}${anchor === undefined ? "" : `#${anchor}`}`));
  expect(broken).toEqual([]);
});

test("every file and folder of the project that is named is there", () => {
  const inProject = /^(?:src|test|docs|bench|config|systemd|examples|\.ci)\//;
  // In the pages about the source, paths begin in src/, or in the room of the directory store.
  const aboutSource = /^(?:ARCHITECTURE|CONTRIBUTING)\.md$|^docs\/decisions\//;
  const inSource = /^[a-z-]+\/(?:[a-z-]+\/)*(?:[a-z-]+\.ts)?$/;
  const isThere = (name: string, page: string): boolean => {
    if (/[*<>…{}$]/.test(name) || existsSync(join(root, name))) return true;
    if (aboutSource.test(page) && inSource.test(name)) {
      return existsSync(join(root, "src", name)) || existsSync(join(root, "src/store/directory", name));
    }
    return !inProject.test(name) && (names.has(name) || !/^[\w.-]+\.(?:ts|md)$/.test(name));
  };
  const missing = allProse.flatMap((line) =>
    [...line.text.matchAll(/`([^`\s]+)`/g)]
      .map((match) => match[1] as string)
      .filter((name) => !isThere(name, line.page))
      .map((name) => at(line, name)),
  );
  expect(missing).toEqual([]);
});

test("every page that is shipped can be reached from README.md", () => {
  const reached = new Set<string>();
  const visit = (page: string): void => {
    if (reached.has(page)) return;
    reached.add(page);
    for (const { line, target } of links) {
      if (line.page !== page) continue;
      const isFolder = pages.includes(join(target, "README.md"));
      visit(isFolder ? join(target, "README.md") : target);
    }
  };
  visit("README.md");
  expect(pages.filter((page) => !reached.has(page) && !isOnlyInSource(page))).toEqual([]);
});

test("pages are short enough to be read", () => {
  const long = pages
    .filter((page) => page === "README.md" || page.startsWith("docs/"))
    .filter((page) => textOf(page).trimEnd().split("\n").length > 150);
  expect(long).toEqual([]);
});

test("no line of prose is over 110 columns", () => {
  const long = allProse
    .filter(({ text }) => !text.startsWith("|") && [...text].length > 110)
    // A link cannot be broken.
    .filter(({ text }) => !/^\s*(?:- )?!?\[[^\]]*\]\(\S+$/.test(text))
    .map((line) => at(line, `${[...line.text].length} columns`));
  expect(long).toEqual([]);
});

test("both packages have every page, and whatever a page links to", () => {
  const { files: packed } = JSON.parse(textOf("package.json")) as { files: string[] };
  // npm adds README.md to every package. The one for Debian has no more of the source than pages, docs/ and
  // bench/.
  const included = ["README.md", ...packed.filter((name) => /^(?:docs|bench)\b|\.md$/.test(name))];
  const isIn = (file: string) => included.some((name) => file === name || file.startsWith(`${name}/`));
  expect(pages.filter((page) => !isIn(page) && !isOnlyInSource(page))).toEqual([]);
  const outside = links.filter(({ target }) => !isIn(target)).map(({ line, target }) => at(line, target));
  expect(outside).toEqual([]);
});

describe("the pages under docs/ name", () => {
  test("every endpoint", () => {
    const text = textOf("docs/http-api.md").replaceAll(" …/", " /v1/sessions/{id}/");
    const missing = Object.values(endpoints)
      .map(({ method, path }) => `${method} ${path}`)
      .filter((endpoint) => !text.includes(`\`${endpoint}\``));
    expect(missing).toEqual([]);
  });

  test("every command of sessionctl", () => {
    const program = createProgram(() => async () => {}, { out: () => {}, error: () => {} });
    const known = program.commands.flatMap((command) =>
      command.commands.length === 0
        ? [command.name()]
        : command.commands.map((below) => `${command.name()} ${below.name()}`),
    );
    expect(known.length).toBeGreaterThan(30);
    const page = textOf("docs/sessionctl.md");
    const missing = known.filter((name) => !new RegExp(`\`${name}(?: [^\`]*)?\``).test(page));
    expect(missing).toEqual([]);
  });

  test("every key of the configuration", () => {
    const page = textOf("docs/configuration.md");
    const keys = knownKeys();
    const leaves = keys.filter((key) => !keys.some((other) => other.startsWith(`${key}.`)));
    expect(leaves.filter((key) => !page.includes(`\`${key}\``))).toEqual([]);
  });

  test("every code of an error", () => {
    const page = textOf("docs/http-api.md");
    expect(errorCodes.filter((code) => !page.includes(`\`${code}\``))).toEqual([]);
  });
});

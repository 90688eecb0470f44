/** The unit files for programs that are not where the Debian package puts them. Pure. */
import { basename } from "node:path";

/** Real, absolute paths. */
export interface Programs {
  node: string;
  sessiond: string;
  sessionctl: string;
}

/** A file to be written. */
export interface ServiceFile {
  path: string;
  text: string;
}

/** First line of the files that `install` may replace and `uninstall` may remove. */
export const mark =
  "# Written by `sessionctl service install`, which replaces it; `sessionctl service uninstall` removes it.\n";

/** The paths in the units of the Debian package, which are replaced. */
const packaged = {
  node: "/usr/bin/node",
  sessiond: "/usr/lib/sessiond/sessiond.js",
  sessionctl: "/usr/lib/sessiond/sessionctl.js",
} as const;

/** @param units the texts of the packaged units by the name of their file */
export function serviceFiles(
  units: Readonly<Record<string, string>>,
  directory: string,
  programs: Programs,
): ServiceFile[] {
  return Object.entries(units).map(([name, text]) => ({
    path: `${directory}/${basename(name)}`,
    text: `${mark}${withPrograms(text, programs)}`,
  }));
}

function withPrograms(text: string, programs: Programs): string {
  return text
    .split("\n")
    .filter((line) => !line.startsWith("Documentation="))
    .map((line) => (/^Exec\w+=/.test(line) ? execLine(line, programs) : line))
    .join("\n");
}

function execLine(line: string, programs: Programs): string {
  const names = Object.keys(packaged) as (keyof Programs)[];
  return line
    .replace(/=/, "= ")
    .split(" ")
    .map((word) => {
      const name = names.find((program) => packaged[program] === word);
      return name === undefined ? word : quoted(programs[name]);
    })
    .join(" ")
    .replace("= ", "=");
}

/** A path as a word of a systemd command line, without specifiers or variables. */
export function quoted(path: string): string {
  const plain = path.replaceAll("%", "%%").replaceAll("$", "$$$$");
  return /^[\w./@+:%$-]+$/.test(plain) ? plain : `"${plain.replace(/["\\]/g, "\\$&")}"`;
}

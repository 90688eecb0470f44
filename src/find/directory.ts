/** Reads directories with names of any bytes, and tells what a name stands for. */
import { isUtf8 } from "node:buffer";
import { type Dirent, readdirSync, type Stats } from "node:fs";
import { within } from "./pattern.ts";

/** A path for the file system; as bytes if it is not UTF-8. */
export type Path = string | Buffer;

export interface Entry extends Pick<Dirent, "name" | (typeof kinds)[number]> {
  /** The name as the file system has it, if it is not UTF-8. In `name` such bytes are U+FFFD. */
  readonly bytes?: Buffer;
}

const kinds = ["isFile", "isDirectory", "isSymbolicLink", "isSocket", "isFIFO"] as const;

export function entriesOf(directory: Path): Entry[] {
  const entries = readdirSync(directory, { withFileTypes: true });
  // A character that stands for bytes that are not UTF-8, or is itself in a name.
  if (!entries.some(({ name }) => name.includes("\ufffd"))) return entries;
  return readdirSync(directory, { withFileTypes: true, encoding: "buffer" }).map((entry) => {
    const bytes = entry.name as unknown as Buffer;
    const rest = Object.fromEntries(kinds.map((kind) => [kind, () => entry[kind]()]));
    return { ...rest, name: bytes.toString(), ...(isUtf8(bytes) ? {} : { bytes }) } as Entry;
  });
}

export function pathOf(directory: Path, { name, bytes }: Entry): Path {
  if (typeof directory === "string" && bytes === undefined) return within(directory, name);
  return Buffer.concat([Buffer.from(directory), Buffer.from("/"), bytes ?? Buffer.from(name)]);
}

/** What is neither a file nor a directory nor a link. */
export function specialName(type: Pick<Stats, "isSocket" | "isFIFO">): string {
  if (type.isSocket()) return "socket";
  return type.isFIFO() ? "pipe" : "device";
}

/** The name for people: each byte that is not part of a character becomes `\xff`. */
export function shownName({ name, bytes }: Entry): string {
  if (bytes === undefined) return name;
  let text = "";
  for (let at = 0; at < bytes.length; ) {
    const length = [1, 2, 3, 4].find((count) => isUtf8(bytes.subarray(at, at + count)));
    const end = at + (length ?? 1);
    text +=
      length !== undefined && end <= bytes.length
        ? bytes.toString("utf8", at, end)
        : `\\x${(bytes[at] as number).toString(16).padStart(2, "0")}`;
    at = end;
  }
  return text;
}

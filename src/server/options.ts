/** The `socket` and `limits` sections of the configuration. */
import { resolve } from "node:path";
import type { z } from "zod";
import { maxSocketPathBytes } from "../contract/socket-path.ts";
import {
  countOption,
  durationOption,
  pathOption,
  section,
  sizeOption,
  textOption,
} from "../options/kinds.ts";

/** Checks the length of an absolute socket path, as the system silently truncates one that is too long. */
export function socketPathProblem(path: string): string | undefined {
  const bytes = Buffer.byteLength(path);
  if (bytes <= maxSocketPathBytes) return undefined;
  const tooLong = `${path} has ${bytes} bytes, but a socket path can have at most ${maxSocketPathBytes}`;
  return `${tooLong}; choose a shorter one, such as /run/sessiond/sessiond.sock`;
}

function socketPathOption() {
  return pathOption().superRefine((path, context) => {
    const message = socketPathProblem(path);
    if (message !== undefined) context.addIssue({ code: "custom", message });
  });
}

function modeProblem(mode: string): string | undefined {
  if (!/^0?[0-7]{3}$/.test(mode)) {
    return `${JSON.stringify(mode)} is not a mode; write 0 and three octal digits, in quotes, such as "0660"`;
  }
  if ((Number.parseInt(mode, 8) & 0o600) === 0o600) return undefined;
  return `"${mode}" gives the owner no access; let the owner read and write, as "0600" or "0660" do`;
}

function groupProblem(group: string): string | undefined {
  if (/^[A-Za-z_][A-Za-z0-9_.-]*\$?$/.test(group) && group.length <= 32) return undefined;
  return `${JSON.stringify(group)} is not a group name; write a group that \`getent group\` lists`;
}

function modeOption() {
  return textOption(
    'an octal mode in quotes, such as "0660" (YAML reads it as a number without quotes)',
    modeProblem,
  ).meta({ pattern: "^0?[0-7]{3}$", examples: ["0660", "0600"] });
}

function groupOption() {
  return textOption("a group name", groupProblem);
}

/** The `socket` section. `config/load.ts` chooses the default of `path`, which depends on other options. */
export const socketSchema = section({
  path: socketPathOption()
    .optional()
    .describe(
      "The path of the socket, at most 107 bytes. Default: sessiond.sock in $XDG_RUNTIME_DIR, or, if that is not set, in .sessiond/ below the sessions directory.",
    )
    .meta({ examples: ["/run/sessiond/sessiond.sock"] }),
  mode: modeOption()
    .optional()
    .describe(
      'The permissions of the socket, which say who may connect: an octal mode in quotes. Default: "0660" if a group is set, else "0600" (only the daemon\'s own user).',
    ),
  group: groupOption()
    .optional()
    .describe("The group of the socket. The daemon must be a member of it, or run as root.")
    .meta({ examples: ["sessiond"] }),
  read_only_path: socketPathOption()
    .optional()
    .describe(
      "The path of a second, read-only socket, for monitoring. It accepts GET and HEAD only. Default: no second socket.",
    )
    .meta({ examples: ["/run/sessiond/read.sock"] }),
  read_only_mode: modeOption()
    .optional()
    .describe(
      'The permissions of the read-only socket: an octal mode in quotes. Default: "0660" if read_only_group is set, else "0600".',
    ),
  read_only_group: groupOption()
    .optional()
    .describe("The group of the read-only socket. The daemon must be a member of it, or run as root.")
    .meta({ examples: ["sessiond-read"] }),
})
  .superRefine(({ path, read_only_path: readOnlyPath }, context) => {
    if (readOnlyPath === undefined || path === undefined || resolve(readOnlyPath) !== resolve(path)) return;
    const message = "is the same as path; choose another, such as /run/sessiond/read.sock";
    context.addIssue({ code: "custom", path: ["read_only_path"], message });
  })
  .transform((written) => ({
    ...(written.path === undefined ? {} : { path: written.path }),
    ...permissions(written.mode, written.group),
    ...(written.read_only_path === undefined
      ? {}
      : {
          readOnlyPath: written.read_only_path,
          readOnlyMode: permissions(written.read_only_mode, written.read_only_group).mode,
          ...(written.read_only_group === undefined ? {} : { readOnlyGroup: written.read_only_group }),
        }),
  }));

function permissions(mode: string | undefined, group: string | undefined): { mode: number; group?: string } {
  const bits = Number.parseInt(mode ?? (group === undefined ? "0600" : "0660"), 8);
  return group === undefined ? { mode: bits } : { mode: bits, group };
}

/** The `limits` section. */
export const limitsSchema = section({
  body: sizeOption("1KiB", "256MiB").prefault("64MiB").describe("The maximum size of a request body."),
  depth: countOption(1, 500)
    .prefault(64)
    .describe("The maximum nesting depth of JSON in a request, from 1 to 500."),
  values: countOption(200_000, 100_000_000)
    .prefault(5_000_000)
    .describe(
      "The maximum number of values in the JSON of a request or of a worker's message: every string, number, true, false, null, list and object counts one, at any level. Values take more memory than their text.",
    ),
  buffered: sizeOption("1MiB", "4GiB")
    .prefault("256MiB")
    .describe(
      "The maximum size of what unfinished requests hold together: bodies and workers' messages that are being received, and replies that their clients have not read. Above it, those that make no progress are cut off, and others wait.",
    ),
  connections: countOption(1, 100_000)
    .prefault(1024)
    .describe(
      "The maximum number of open connections of each socket. When there are more, those that do nothing for longest are closed. Keep it well below the limit of open files (`ulimit -n`), because writing sessions needs files too.",
    ),
  request_timeout: durationOption("1s", "1h")
    .prefault("30s")
    .describe("The maximum time for a client to send a complete request."),
}).transform((written) => ({
  bodyBytes: written.body,
  depth: written.depth,
  values: written.values,
  bufferedBytes: written.buffered,
  connections: written.connections,
  requestTimeoutMs: written.request_timeout,
}));

/** `mode` and `readOnlyMode` are permission bits, such as 0o660. */
export type SocketOptions = z.output<typeof socketSchema>;
export type LimitsOptions = z.output<typeof limitsSchema>;

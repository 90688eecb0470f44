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

/** What is wrong with an absolute socket path, if anything: a longer one would be cut short silently. */
export function socketPathProblem(path: string): string | undefined {
  const bytes = Buffer.byteLength(path);
  if (bytes <= maxSocketPathBytes) return undefined;
  return `${path} has ${bytes} bytes, and a socket path can have ${maxSocketPathBytes}; choose a shorter one, such as /run/sessiond/sessiond.sock`;
}

function socketPathOption() {
  return pathOption().superRefine((path, context) => {
    const message = socketPathProblem(path);
    if (message !== undefined) context.addIssue({ code: "custom", message });
  });
}

function modeProblem(mode: string): string | undefined {
  if (!/^0?[0-7]{3}$/.test(mode)) {
    return `${JSON.stringify(mode)} is not a mode; write three octal digits after a 0, in quotes, such as "0660"`;
  }
  if ((Number.parseInt(mode, 8) & 0o600) === 0o600) return undefined;
  return `"${mode}" would lock the owner out; let the owner read and write, as "0600" or "0660" do`;
}

function groupProblem(group: string): string | undefined {
  if (/^[A-Za-z_][A-Za-z0-9_.-]*\$?$/.test(group) && group.length <= 32) return undefined;
  return `${JSON.stringify(group)} is not the name of a group; write one that \`getent group\` lists`;
}

function modeOption() {
  return textOption(
    'an octal mode in quotes, such as "0660" (without them YAML reads a number)',
    modeProblem,
  ).meta({ pattern: "^0?[0-7]{3}$", examples: ["0660", "0600"] });
}

function groupOption() {
  return textOption("the name of a group", groupProblem);
}

/** The `socket` section. Without `path` the daemon listens where its sessions directory says. */
export const socketSchema = section({
  path: socketPathOption()
    .optional()
    .describe(
      "Where the daemon listens; at most 107 bytes. Left out: sessiond.sock in $XDG_RUNTIME_DIR, or else in .sessiond/ of the sessions directory.",
    )
    .meta({ examples: ["/run/sessiond/sessiond.sock"] }),
  mode: modeOption()
    .optional()
    .describe(
      'Who may connect, as permissions of the socket: an octal mode in quotes. Left out: "0660" with a group, "0600" (the daemon\'s own user) without.',
    ),
  group: groupOption()
    .optional()
    .describe("The group that the socket is given to. The daemon must be a member of it, or root.")
    .meta({ examples: ["sessiond"] }),
  read_only_path: socketPathOption()
    .optional()
    .describe(
      "A second socket, for monitoring: it answers GET and HEAD, and refuses everything else. Left out: there is none.",
    )
    .meta({ examples: ["/run/sessiond/read.sock"] }),
  read_only_mode: modeOption()
    .optional()
    .describe(
      'Who may connect to the second socket: an octal mode in quotes. Left out: "0660" with a group of its own, "0600" without.',
    ),
  read_only_group: groupOption()
    .optional()
    .describe("The group that the second socket is given to. The daemon must be a member of it, or root.")
    .meta({ examples: ["sessiond-read"] }),
})
  .superRefine(({ path, read_only_path: readOnlyPath }, context) => {
    if (readOnlyPath === undefined || path === undefined || resolve(readOnlyPath) !== resolve(path)) return;
    const message = "is the path of the other socket; choose another, such as /run/sessiond/read.sock";
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

/** The `limits` section: what one client can ask of the daemon. */
export const limitsSchema = section({
  body: sizeOption("1KiB", "256MiB").prefault("64MiB").describe("The largest request body."),
  depth: countOption(1, 500)
    .prefault(64)
    .describe("How many levels deep the JSON of a request may nest, from 1 to 500."),
  connections: countOption(1, 100_000)
    .prefault(1024)
    .describe(
      "How many connections may be open at once. Keep it below the limit of open files (`ulimit -n`), so that sessions can still be written.",
    ),
  request_timeout: durationOption("1s", "1h")
    .prefault("30s")
    .describe("How long a client may take to send a whole request."),
}).transform((written) => ({
  bodyBytes: written.body,
  depth: written.depth,
  connections: written.connections,
  requestTimeoutMs: written.request_timeout,
}));

/** `mode` holds permission bits, such as 0o660. */
export type SocketOptions = z.output<typeof socketSchema>;
export type LimitsOptions = z.output<typeof limitsSchema>;

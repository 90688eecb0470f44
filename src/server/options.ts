import type { z } from "zod";
import { maxSocketPathBytes } from "../contract/socket-path.ts";
import { countOption, durationOption, pathOption, section, sizeOption, textOption } from "../option.ts";

/** What is wrong with an absolute socket path, if anything: a longer one would be cut short silently. */
export function socketPathProblem(path: string): string | undefined {
  const bytes = Buffer.byteLength(path);
  if (bytes <= maxSocketPathBytes) return undefined;
  return `${path} has ${bytes} bytes, and a socket path can have ${maxSocketPathBytes}; choose a shorter one, such as /run/sessiond/sessiond.sock`;
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

/** The `socket` section. Without `path` the daemon listens where its sessions directory says. */
export const socketSchema = section({
  path: pathOption()
    .superRefine((path, context) => {
      const message = socketPathProblem(path);
      if (message !== undefined) context.addIssue({ code: "custom", message });
    })
    .optional()
    .describe(
      "Where the daemon listens; at most 107 bytes. Left out: sessiond.sock in $XDG_RUNTIME_DIR, or else in .sessiond/ of the sessions directory.",
    )
    .meta({ examples: ["/run/sessiond/sessiond.sock"] }),
  mode: textOption('an octal mode in quotes, such as "0660" (without them YAML reads a number)', modeProblem)
    .optional()
    .describe(
      'Who may connect, as permissions of the socket: an octal mode in quotes. Left out: "0660" with a group, "0600" (the daemon\'s own user) without.',
    )
    .meta({ pattern: "^0?[0-7]{3}$", examples: ["0660", "0600"] }),
  group: textOption("the name of a group", groupProblem)
    .optional()
    .describe("The group that the socket is given to. The daemon must be a member of it, or root.")
    .meta({ examples: ["sessiond"] }),
}).transform((written) => ({
  ...(written.path === undefined ? {} : { path: written.path }),
  mode: Number.parseInt(written.mode ?? (written.group === undefined ? "0600" : "0660"), 8),
  ...(written.group === undefined ? {} : { group: written.group }),
}));

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

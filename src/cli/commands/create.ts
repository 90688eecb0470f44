/** `sessionctl create` */
import type { SessionConfig } from "../../session/session.ts";
import { label, newId, separatorOf } from "../arguments.ts";
import type { Registration } from "../context.ts";
import { usageError } from "../exit-code.ts";
import { absolutePath, type HostProcess } from "../host-process.ts";

interface Options {
  id?: string;
  filesFrom?: string;
  null?: boolean;
  label?: Record<string, string>;
  config?: string;
  pinned?: boolean;
}

export const registerCreate: Registration = (program, run) => {
  program
    .command("create")
    .summary("create a session")
    .description(
      "Create a running session and print its id. A relative target is stored as an absolute path.",
    )
    .argument("<target>", "path or URL to analyze; becomes the target_path of the session")
    .option("--id <id>", "id of the session (default: generated)", newId)
    .option("--files-from <file>", "pending files, one per line; - for standard input")
    .option("-0, --null", "the names are separated by zero bytes, as find -print0 prints them")
    .option("-l, --label <key=value>", "label; may be given several times", label)
    .option("--config <json>", "more configuration: a JSON object, @file, or - for standard input")
    .option("--pinned", "protect the session from cleanup")
    .addHelpText(
      "after",
      '\nExample:\n  git ls-files "*.ts" | sessionctl create . --id nightly --files-from - --label team=core',
    )
    .action(
      run(async ({ client, out, input, process }, target: string, options: Options) => {
        const target_path = absoluteTarget(target, process);
        const config = options.config === undefined ? {} : await input.object(options.config, "--config");
        const configured = config.target_path;
        if (configured !== undefined && configured !== target && configured !== target_path) {
          throw usageError(
            "the target_path in --config differs from the target given; leave it out of --config",
          );
        }
        const files =
          options.filesFrom === undefined
            ? undefined
            : await input.list(options.filesFrom, separatorOf(options));
        const session = await client.createSession({
          session_id: options.id,
          config: { ...config, target_path } as SessionConfig,
          pending_files: files,
          labels: options.label,
          pinned: options.pinned,
        });
        if (out.json) out.document(session);
        else out.value(session.session_id);
        return undefined;
      }, "made"),
    );
};

/** Absolute, because the session may be read from another directory. */
function absoluteTarget(target: string, process: HostProcess): string {
  if (target.trim() === "") throw usageError("the target is blank; give a path or a URL");
  return /^[a-z][a-z0-9+.-]*:\/\//i.test(target) ? target : absolutePath(process, target);
}

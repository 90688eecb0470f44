/**
 * `sessionctl service`: installs, removes and shows the systemd service. What it does is in `cli/service`.
 */
import { existsSync } from "node:fs";
import type { Command } from "commander";
import type { Context, Registration } from "../context.ts";
import { type ExitCode, exitCodes } from "../exit-code.ts";
import { install, installation, uninstall } from "../service/installation.ts";
import { assertSystemd, type Scope, unitProperties } from "../service/systemd.ts";
import { facts } from "../table.ts";
import { safe } from "../terminal-text.ts";

interface ServiceOptions {
  user?: boolean;
  print?: boolean;
}

const scopeOf = ({ user = false }: ServiceOptions): Scope => (user ? "user" : "system");

export const registerService: Registration = (program, run) => {
  const service = program
    .command("service")
    .summary("install sessiond as a systemd service, remove it, or show its state")
    .description(
      "Install sessiond as a systemd service, remove it, or show its state. This is for an installation from npm: the " +
        "Debian package includes the service.",
    )
    .addHelpText("after", "\nExample:\n  sudo sessionctl service install");
  const command = (name: string): Command =>
    service.command(name).option("--user", "a daemon of your own instead of one for the whole system");

  command("install")
    .description(
      "Write the units with the paths of this Node.js and this program, then enable and start them. Run it again after " +
        "an upgrade: it restarts sessiond, and no client is refused. An existing configuration is kept.",
    )
    .option("--print", "print the files instead of writing them")
    .addHelpText("after", "\nExample:\n  sudo sessionctl service install")
    .action(
      run(async ({ out }: Context, options: ServiceOptions) => {
        const plan = installation(scopeOf(options));
        if (options.print !== true) {
          await install(plan, (line) => out.say(line));
          return undefined;
        }
        const kept = plan.config !== undefined && !existsSync(plan.config.path) ? [plan.config] : [];
        for (const { path, text } of [...plan.files, ...kept]) out.data(`# ${path}\n${text}`);
        return undefined;
      }),
    );

  command("uninstall")
    .description("Stop sessiond and remove its units. Sessions and configuration are kept.")
    .addHelpText("after", "\nExample:\n  sudo sessionctl service uninstall")
    .action(
      run(async ({ out }: Context, options: ServiceOptions) => {
        const scope = scopeOf(options);
        await uninstall(scope, (line) => out.say(line));
        out.say(
          scope === "user"
            ? "kept: the sessions in ~/.local/state/sessiond"
            : "kept: the sessions in /var/lib/sessiond, the configuration in /etc/sessiond, and the user sessiond; " +
                "to remove the sessions for good: sudo rm -r /var/lib/sessiond",
        );
        return undefined;
      }),
    );

  command("status")
    .description("Show the state of the service, as systemd sees it. Exits with 3 if it is not running.")
    .addHelpText("after", "\nExample:\n  sessionctl service status")
    .action(run((context: Context, options: ServiceOptions) => status(context, scopeOf(options))));
};

const serviceProperties = [
  ...["LoadState", "ActiveState", "SubState", "Result", "UnitFileState", "FragmentPath", "StatusText"],
  ...["MainPID", "NRestarts", "ActiveEnterTimestamp"],
];

async function status({ out }: Context, scope: Scope): Promise<ExitCode> {
  assertSystemd();
  const service = await unitProperties(scope, "sessiond.service", serviceProperties);
  const socket = await unitProperties(scope, "sessiond.socket", ["ActiveState", "SubState", "Listen"]);
  const isRunning = service.ActiveState === "active";
  if (out.json) out.document({ service, socket });
  else if (service.LoadState !== "loaded") out.say("the service is not installed");
  else {
    const since = isRunning ? ` since ${service.ActiveEnterTimestamp}, pid ${service.MainPID}` : "";
    const result = service.Result === "success" ? "" : `, ${service.Result}`;
    const rows: [string, string][] = [
      ["Service", `${service.ActiveState} (${service.SubState})${result}${since}`],
      ["Status", service.StatusText ?? "-"],
      ["Socket", `${socket.ActiveState} (${socket.SubState}), ${socket.Listen ?? "-"}`],
      ["Restarts", `${service.NRestarts ?? 0} automatic`],
      ["At boot", service.UnitFileState ?? "-"],
      ["Unit", service.FragmentPath ?? "-"],
    ];
    for (const line of facts(rows.map(([name, value]) => [name, safe(value)]))) out.data(line);
    const user = scope === "user" ? " --user" : "";
    if (!isRunning) out.say(`to see why: journalctl${user} -u sessiond -n 20`);
  }
  return isRunning ? exitCodes.ok : exitCodes.notRunning;
}

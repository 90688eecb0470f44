/** Installing, upgrading and removing, as a Debian package, from npm, and for a user. */
import { appendFileSync, existsSync, readFileSync, writeFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { format } from "../../src/store/directory/disk/format-record.ts";
import { eventually } from "../support/eventually.ts";
import { suites } from "../support/machine.ts";
import { callWhile, createCallers, lost } from "./callers.ts";
import { installedPages } from "./pages.ts";
import { configInside, figure, machineFor, skipped, socketInside } from "./service.ts";

const config = { target_path: "/src" };

describe.skipIf(skipped()).each(suites)("the Debian package on %s", (suite) => {
  const machine = machineFor(suite);

  test("an upgrade keeps state, configuration and clients", async () => {
    await machine().install("previous/sessiond.deb");
    const client = machine().client();
    await client.createSession({ session_id: "kept", config, pending_files: ["a", "b"] });
    await client.reportProgress("kept", { processed: ["a"], results: { a: { score: 0.5 } } });
    await client.createSession({ session_id: "gone", config });
    await client.deleteSession("gone");
    // State of before there was a record of its format.
    await machine().ask("rm", "/var/lib/sessiond/sessions/.sessiond/format.json");
    appendFileSync(machine().path(configInside), "# a change of the operator's own\n");
    const before = [await client.getSession("kept"), await client.listTrash()];
    await createCallers(machine().socket, 8);
    const { pid } = await client.getInfo();

    const tally = await callWhile(machine().socket, 8, () => machine().install("sessiond.deb"));
    figure(
      suite,
      "an upgrade under 8 clients",
      `${JSON.stringify(tally.outcomes)}, the longest call ${tally.longestMs} ms`,
    );
    expect(Object.keys(tally.outcomes)).toEqual(["200"]);
    expect(await lost(machine().socket, 8, tally)).toEqual([]);
    expect((await client.getInfo()).pid).not.toBe(pid);
    expect([await client.getSession("kept"), await client.listTrash()]).toEqual(before);
    expect(await client.getHealth()).toEqual({ status: "ok", problems: [] });
    expect(await machine().ask("tail", "-n", "1", configInside)).toContain("the operator's own");
    expect(await machine().ask("cat", "/var/lib/sessiond/sessions/.sessiond/format.json")).toContain(
      `"format":${format}`,
    );
  });

  test("the pages are installed, and links between them work", () => {
    const { pages, broken } = installedPages(machine().path("/usr/share/doc/sessiond"));
    expect(pages).toEqual(
      expect.arrayContaining(["README.md", "docs/README.md", "docs/decisions/README.md"]),
    );
    expect(broken).toEqual([]);
  });

  test("what was disabled stays disabled over an upgrade, and what was stopped stopped", async () => {
    const units = ["sessiond.socket", "sessiond.service"];
    await machine().ask("systemctl", "disable", "--now", ...units);
    await machine().install("previous/sessiond.deb");
    expect((await machine().run("systemctl", "is-enabled", ...units)).stdout).toBe("disabled\ndisabled\n");
    expect((await machine().run("systemctl", "is-active", ...units)).stdout).toBe("inactive\ninactive\n");
    await machine().install("sessiond.deb");
    expect((await machine().run("systemctl", "is-active", ...units)).stdout).toBe("inactive\ninactive\n");
    await machine().ask("systemctl", "enable", "--quiet", "--now", ...units);
  });

  test("sessionctl leaves a packaged service to the package", async () => {
    for (const command of ["install", "uninstall"]) {
      const refused = await machine().run("sessionctl", "service", command);
      expect(refused).toMatchObject({ code: 1, stderr: expect.stringContaining("from a Debian package") });
    }
    const status = await machine().run("sessionctl", "service", "status");
    expect(status).toMatchObject({
      code: 0,
      stdout: expect.stringMatching(/^Service +active \(running\) since /),
    });
  });

  test("removed, it leaves sessions and configuration; installed again, it has them", async () => {
    await machine().ask("dpkg", "--remove", "sessiond");
    expect(existsSync(machine().path(socketInside))).toBe(false);
    expect((await machine().run("pgrep", "-u", "sessiond")).stdout).toBe("");
    expect(await machine().ask("ls", "/var/lib/sessiond/sessions")).toContain("kept.json");
    expect(await machine().ask("systemctl", "--failed", "--no-legend")).toBe("");
    await machine().install("sessiond.deb");
    expect((await machine().client().getSession("kept")).processed_files).toEqual(["a"]);
    expect(await machine().ask("tail", "-n", "1", configInside)).toContain("the operator's own");
  });

  test("purged, nothing is left but the user", async () => {
    await machine().ask("systemctl", "enable", "--quiet", "sessiond-read.socket");
    await machine().ask("systemctl", "restart", "sessiond");
    await machine().ask("dpkg", "--purge", "sessiond");
    const left = await machine().shell(
      "find /etc /usr /var/lib /run -path /var/lib/dpkg -prune -o -name '*sessiond*' -print",
    );
    expect(left).toBe("");
    expect((await machine().run("id", "sessiond")).code).toBe(0);
    expect(await machine().ask("systemctl", "--failed", "--no-legend")).toBe("");
  });
});

describe.skipIf(skipped()).each(suites)("from npm on %s", (suite) => {
  const machine = machineFor(suite);
  const home = "/usr/local/lib/node_modules/sessiond";

  test("the service is installed with real paths, serves, and goes again", async () => {
    await machine().shell(
      `mkdir -p ${home} && cp -r /opt/packages/package/. ${home} && chown -R root:root ${home} && chmod -R go-w ${home} &&
       for name in sessiond sessionctl; do chmod 755 ${home}/dist/$name.js && ln -s ${home}/dist/$name.js /usr/local/bin/$name; done`,
    );
    expect(await machine().run("sessionctl", "service", "status")).toMatchObject({ code: 3 });
    const { pages, broken } = installedPages(machine().path(home));
    expect(pages).toEqual(
      expect.arrayContaining(["README.md", "docs/README.md", "docs/decisions/README.md"]),
    );
    expect(broken).toEqual([]);
    const printed = await machine().ask("sessionctl", "service", "install", "--print");
    expect(printed).toContain(`ExecStart=/usr/bin/node ${home}/dist/sessiond.js --config`);
    expect((await machine().run("id", "sessiond")).code).toBe(1);

    const installed = await machine().run("sessionctl", "service", "install");
    expect(installed).toMatchObject({ code: 0, stdout: "" });
    expect(installed.stderr).toContain("wrote /etc/systemd/system/sessiond.service\n");
    await machine().client().createSession({ session_id: "kept", config });
    const units = ["sessiond.service", "sessiond.socket", "sessiond-read.socket"];
    expect(await machine().run("systemd-analyze", "verify", ...units)).toEqual({
      code: 0,
      stdout: "",
      stderr: "",
    });
    const status = await machine().run("sessionctl", "service", "status");
    expect(status).toMatchObject({
      code: 0,
      stdout: expect.stringContaining("/etc/systemd/system/sessiond.service"),
    });
    expect(await machine().run("systemctl", "reload", "sessiond")).toMatchObject({ code: 0 });

    // Once more, as after an upgrade.
    const pid = await machine().property("MainPID");
    await machine().ask("sessionctl", "service", "install");
    expect(await machine().property("MainPID")).not.toBe(pid);
    expect((await machine().client().getSession("kept")).session_id).toBe("kept");

    const removed = await machine().run("sessionctl", "service", "uninstall");
    expect(removed).toMatchObject({
      code: 0,
      stdout: "",
      stderr: expect.stringContaining("kept: the sessions in /var/lib/sessiond"),
    });
    expect(existsSync(machine().path(socketInside))).toBe(false);
    expect(await machine().shell("find /etc/systemd /etc/sysusers.d -name '*sessiond*'")).toBe("");
    expect(await machine().ask("ls", "/var/lib/sessiond/sessions")).toContain("kept.json");
    expect(await machine().run("sessionctl", "service", "uninstall")).toMatchObject({ code: 3 });
  });

  test("what cannot work is refused, and nothing is written", async () => {
    await machine().shell("useradd -m carol && cp -L /usr/bin/node /home/carol/node");
    const script = `${home}/dist/sessionctl.js`;
    const refusals: [command: string[], code: number, why: RegExp][] = [
      [
        ["/home/carol/node", script, "service", "install"],
        1,
        /Node\.js is at \/home\/carol\/node, and the service cannot see \/home;/,
      ],
      [
        ["runuser", "-u", "carol", "--", "sessionctl", "service", "install"],
        5,
        /sudo sessionctl service install/,
      ],
      [["runuser", "-u", "carol", "--", "sessionctl", "service", "uninstall"], 5, /only root may do this/],
    ];
    for (const [command, code, why] of refusals) {
      const outcome = await machine().run(...command);
      expect(outcome).toMatchObject({ code, stdout: "" });
      expect(outcome.stderr).toMatch(why);
    }
    await machine().shell(`chown carol ${home}/dist`);
    const owned = await machine().run("sessionctl", "service", "install");
    expect(owned).toMatchObject({
      code: 1,
      stderr: expect.stringMatching(/dist belongs to user \d+ and not to root/),
    });
    await machine().shell(`chown root ${home}/dist`);
    expect(await machine().shell("find /etc/systemd /etc/sysusers.d -name '*sessiond*'")).toBe("");
    await machine().shell(
      "mkdir -p /etc/systemd/system && echo '[Unit]' >/etc/systemd/system/sessiond.service",
    );
    const foreign = await machine().run("sessionctl", "service", "install");
    expect(foreign).toMatchObject({
      code: 1,
      stderr: expect.stringContaining("was not written by sessionctl"),
    });
    await machine().ask("rm", "/etc/systemd/system/sessiond.service");
  });

  test("a user has a daemon of their own", async () => {
    await machine().shell("useradd -m dave && systemctl start user@$(id -u dave).service");
    const uid = (await machine().ask("id", "-u", "dave")).trim();
    const as = (...args: string[]) =>
      machine().run(
        "runuser",
        "-u",
        "dave",
        "--",
        "env",
        "HOME=/home/dave",
        `XDG_RUNTIME_DIR=/run/user/${uid}`,
        ...args,
      );
    expect(await as("sessionctl", "service", "install", "--user")).toMatchObject({ code: 0, stdout: "" });
    expect(await as("sessionctl", "create", "/src", "--id", "own")).toMatchObject({
      code: 0,
      stdout: "own\n",
    });
    expect(await as("systemctl", "--user", "reload", "sessiond")).toMatchObject({ code: 0 });
    expect(await as("systemctl", "--user", "restart", "sessiond")).toMatchObject({ code: 0 });
    expect(await as("sessionctl", "list", "-q")).toMatchObject({ code: 0, stdout: "own\n" });
    const status = await as("sessionctl", "service", "status", "--user", "--json");
    expect(JSON.parse(status.stdout).service).toMatchObject({
      ActiveState: "active",
      UnitFileState: "enabled",
    });
    expect(await as("systemd-analyze", "--user", "verify", "sessiond-notify.service")).toEqual({
      code: 0,
      stdout: "",
      stderr: "",
    });
    // Its line shows a message, which nobody can see here.
    const line = `--exec 'echo "$$SESSIOND_SESSION $$SESSIOND_STATUS" >> %h/told'`;
    const unit = machine().path("/home/dave/.config/systemd/user/sessiond-notify.service");
    writeFileSync(
      unit,
      readFileSync(unit, "utf8").replace(/--exec .*/, () => line),
    );
    await as("systemctl", "--user", "daemon-reload");
    expect(await as("systemctl", "--user", "start", "sessiond-notify")).toMatchObject({ code: 0 });
    const state = machine().path("/home/dave/.local/state/sessiond/notify.json");
    await eventually(() => expect(existsSync(state)).toBe(true));
    await as("sessionctl", "pause", "own");
    const told = machine().path("/home/dave/told");
    await eventually(() => expect(readFileSync(told, "utf8")).toBe("own paused\n"));
    expect(await as("systemctl", "--user", "stop", "sessiond-notify")).toMatchObject({ code: 0 });
    const modes = await machine().ask(
      ...[
        "stat",
        "-c",
        "%a %U",
        `/run/user/${uid}/sessiond.sock`,
        "/home/dave/.local/state/sessiond/sessions",
      ],
    );
    expect(modes).toBe("600 dave\n700 dave\n");
    expect(await as("sessionctl", "service", "uninstall", "--user")).toMatchObject({ code: 0 });
    expect(await as("sessionctl", "service", "status", "--user")).toMatchObject({ code: 3 });
    await eventually(() => expect(existsSync(machine().path(`/run/user/${uid}/sessiond.sock`))).toBe(false));
  });
});

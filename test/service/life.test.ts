/** The service under a real systemd, from its installation on. The tests of a suite build on one machine. */
import { copyFileSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { describe, expect, test } from "vitest";
import { systemErrorCode } from "../../src/error.ts";
import { openRequest } from "../daemon/open-request.ts";
import { eventually } from "../support/eventually.ts";
import { http, jsonOf } from "../support/http.ts";
import { suites } from "../support/machine.ts";
import { callWhile, createCallers, lost } from "./callers.ts";
import {
  configInside,
  figure,
  machineFor,
  readSocketInside,
  type ServiceMachine,
  skipped,
  socketInside,
  untilServing,
} from "./service.ts";

const config = { target_path: "/src" };

describe.skipIf(skipped()).each(suites)("on %s", (suite) => {
  const machine = machineFor(suite);

  /** What is installed stays as it was for the next test. */
  async function withConfig(text: string, act: () => Promise<void>): Promise<void> {
    const file = machine().path(configInside);
    const before = readFileSync(file);
    writeFileSync(file, text);
    try {
      await act();
    } finally {
      writeFileSync(file, before);
    }
  }

  test("installing it makes it serve, and at every start", async () => {
    const serving = await untilServing(machine(), machine().install("sessiond.deb"));
    figure(suite, "dpkg -i to serving", `${serving} ms`);
    expect(await machine().ask("systemctl", "is-active", "sessiond.service", "sessiond.socket")).toBe(
      "active\nactive\n",
    );
    expect(await machine().ask("systemctl", "is-enabled", "sessiond.service", "sessiond.socket")).toBe(
      "enabled\nenabled\n",
    );
    expect(await machine().property("StatusText")).toContain("/var/lib/sessiond/sessions");
    const modes = await machine().ask(
      ...["stat", "-c", "%a %U %G %n", socketInside, "/run/sessiond", "/var/lib/sessiond", configInside],
    );
    expect(modes.trim().split("\n")).toEqual([
      `660 root sessiond ${socketInside}`,
      "755 root root /run/sessiond",
      "750 sessiond sessiond /var/lib/sessiond",
      `644 root root ${configInside}`,
    ]);
    const pid = await machine().property("MainPID");
    expect((await machine().ask("ps", "-o", "user=", "-p", pid)).trim()).toBe("sessiond");
  });

  test("it is ready only when it has read everything", async () => {
    await machine().ask("systemctl", "stop", "sessiond.socket", "sessiond.service");
    await machine().shell(`runuser -u sessiond -- sh -c '
      cd /var/lib/sessiond/sessions
      for number in $(seq 5000); do
        echo "{\\"session_id\\":\\"old-$number\\",\\"status\\":\\"completed\\",\\"config\\":{\\"target_path\\":\\"/src\\"},\\"processed_files\\":[],\\"pending_files\\":[],\\"partial_results\\":{},\\"checkpoint_time\\":\\"2026-01-01T00:00:00Z\\"}" >old-$number.json
      done'`);
    // systemctl comes back when the service says that it is ready.
    await machine().ask("systemctl", "start", "sessiond.service");
    expect((await machine().client().getStats({ timeoutMs: 100 })).total).toBe(5000);
    await machine().shell("rm /var/lib/sessiond/sessions/old-*.json && systemctl restart sessiond");
  });

  test("systemd-analyze finds nothing wrong, and little exposed", async () => {
    const units = ["sessiond.service", "sessiond.socket", "sessiond-read.socket"];
    expect(await machine().run("systemd-analyze", "verify", ...units)).toEqual({
      code: 0,
      stdout: "",
      stderr: "",
    });
    const scored = await machine().ask("systemd-analyze", "security", "--no-pager", "sessiond.service");
    const exposure = Number(/Overall exposure level for sessiond\.service: ([\d.]+)/.exec(scored)?.[1]);
    figure(
      suite,
      "exposure",
      `${exposure} (${(await machine().ask("systemctl", "--version")).split("\n")[0]})`,
    );
    expect(exposure).toBeLessThanOrEqual(1);
  });

  test("members of the group may use it, others are told what to do", async () => {
    await machine().shell("useradd -m -G sessiond alice && useradd -m bob");
    const as = (user: string, ...args: string[]) => machine().run("runuser", "-u", user, "--", ...args);
    const create = "echo a.ts | sessionctl create /src --id hers --files-from -";
    const created = await as("alice", "sh", "-c", create);
    expect(created).toMatchObject({ code: 0, stdout: "hers\n" });
    expect(await as("alice", "sessionctl", "progress", "hers", "a.ts")).toMatchObject({ code: 0 });
    expect(await as("alice", "sessionctl", "list", "-q")).toMatchObject({ code: 0, stdout: "hers\n" });
    const refused = await as("bob", "sessionctl", "list");
    expect(refused).toMatchObject({ code: 5, stdout: "" });
    expect(refused.stderr).toContain('join that group (sudo usermod -aG sessiond "$USER") and log in again');
    expect(await as("alice", "cat", "/var/lib/sessiond/sessions/hers.json")).toMatchObject({ code: 0 });
    expect(await as("bob", "cat", "/var/lib/sessiond/sessions/hers.json")).toMatchObject({ code: 1 });
    // A member whose login is older than the membership.
    const early = ["setpriv", "--reuid", "alice", "--regid", "alice", "--clear-groups", "sessionctl", "list"];
    expect((await machine().run(...early)).stderr).toContain("log in again, or run newgrp sessiond");
  });

  test("reload puts a good configuration in force, and fails for a bad one", async () => {
    const client = machine().client();
    const rule = async () => (await client.getCleanup()).jobs.find(({ job }) => job === "expired")?.rule;
    const since = await machine().cursor();
    await withConfig("cleanup: { expired: { max_age: 90d } }\n", async () => {
      expect(await machine().run("systemctl", "reload", "sessiond")).toMatchObject({ code: 0 });
      expect(await rule()).toContain("90d");
    });
    await withConfig("cleanup: { expired: { max_age: 7m } }\n", async () => {
      expect(await machine().run("systemctl", "reload", "sessiond")).toMatchObject({ code: 1 });
      expect(await rule()).toContain("90d");
      await machine().ask("systemctl", "kill", "--kill-whom=main", "--signal=HUP", "sessiond");
    });
    const place = `${configInside}:1:`;
    await eventually(async () => {
      const errors = await machine().journal(since, "-p", "err");
      expect(errors.filter(({ message }) => message.includes(place)).length).toBeGreaterThanOrEqual(2);
    });
    expect(await machine().ask("systemctl", "is-active", "sessiond")).toBe("active\n");
    await machine().ask("systemctl", "reload", "sessiond");
    expect(await rule()).toContain("30d");
  });

  test("killed, it is back with everything that was acknowledged", async () => {
    await createCallers(machine().socket, 8);
    const pid = await machine().property("MainPID");
    let back = 0;
    const tally = await callWhile(machine().socket, 8, async () => {
      await eventually(async () =>
        expect((await machine().client().getSession("caller-0")).processed_files.length).toBeGreaterThan(20),
      );
      const killed = performance.now();
      await machine().ask("kill", "-9", pid);
      await eventually(async () => {
        const { pid: now } = await machine().client().getInfo({ timeoutMs: 10_000 });
        expect(String(now)).not.toBe(pid);
      });
      back = Math.round(performance.now() - killed);
    });
    figure(suite, "kill -9 to serving", `${back} ms`);
    expect(await lost(machine().socket, 8, tally)).toEqual([]);
    // What was under way when it was killed is cut off, and nobody is refused.
    const { 200: _, ...others } = tally.outcomes;
    expect(Object.keys(others).filter((code) => code !== "ECONNRESET" && code !== "EPIPE")).toEqual([]);
    expect(await machine().property("NRestarts")).toBe("1");
  });

  test("20 restarts under 8 clients: nobody is refused, nothing acknowledged is lost", async () => {
    await machine().ask("systemctl", "reset-failed", "sessiond.service");
    await createCallers(machine().socket, 8);
    const tally = await callWhile(machine().socket, 8, async () => {
      for (let count = 0; count < 20; count++)
        await machine().ask("systemctl", "restart", "sessiond.service");
    });
    figure(
      suite,
      "20 restarts under 8 clients",
      `${JSON.stringify(tally.outcomes)}, the longest call ${tally.longestMs} ms`,
    );
    expect(Object.keys(tally.outcomes)).toEqual(["200"]);
    expect(tally.acknowledged.length).toBeGreaterThan(100);
    expect(await lost(machine().socket, 8, tally)).toEqual([]);
  });

  test("clients that keep their connections see no failure either", async () => {
    await machine().ask("systemctl", "reset-failed", "sessiond.service");
    const outcomes: Record<string, number> = {};
    const count = (outcome: string) => {
      outcomes[outcome] = (outcomes[outcome] ?? 0) + 1;
    };
    let done = false;
    const callers = Array.from({ length: 8 }, async (_, caller) => {
      const client = machine().client();
      for (let number = 0; !done; number++) {
        const added = [`kept/${caller}/${number}`];
        await client.reportProgress(`caller-${caller}`, { added }).then(
          () => count("done"),
          (error: Error) => count(error.message),
        );
      }
    });
    for (let restart = 0; restart < 10; restart++) {
      await machine().ask("systemctl", "restart", "sessiond.service");
    }
    done = true;
    await Promise.all(callers);
    figure(suite, "10 restarts under 8 clients that keep connections", JSON.stringify(outcomes));
    expect(Object.keys(outcomes)).toEqual(["done"]);
  });

  test("workers that were attached carry on, over restarts and kills, and do each file once", async () => {
    await machine().ask("systemctl", "reset-failed", "sessiond.service");
    const files = Array.from({ length: 400 }, (_, n) => `src/${n}.ts`);
    const client = machine().client();
    await client.createSession({ session_id: "attached", config, pending_files: files });
    const worked: string[] = [];
    let downs = 0;
    const worker = await client.attach("attached", { worker: "test" });
    const loop = worker.forEach(
      async (file) => {
        worked.push(file);
        // So that the work outlasts what happens to the daemon.
        await eventually(() => expect(downs).toBeGreaterThanOrEqual(worked.length / 100));
        return { length: file.length };
      },
      { concurrency: 4 },
    );
    for (const command of ["restart", "kill", "restart", "kill"]) {
      const signal = command === "kill" ? ["--signal=KILL"] : [];
      await untilServing(machine(), machine().ask("systemctl", command, ...signal, "sessiond.service"));
      downs++;
    }
    expect((await loop).stopped).toBeNull();
    await worker.detach();
    expect(worked.toSorted()).toEqual(files.toSorted());
    const session = await client.getSession("attached");
    expect(session.processed_files.toSorted()).toEqual(files.toSorted());
    expect(Object.keys(session.partial_results)).toHaveLength(files.length);
  });

  test("what is under way when it is stopped is answered, and who comes later waits for the next one", async () => {
    await machine().ask("systemctl", "reset-failed", "sessiond.service");
    const pid = await machine().property("MainPID");
    const body = JSON.stringify({ session_id: "slow", config });
    const { reply, send } = openRequest(machine().socket, body.length);
    await send(body.slice(0, 10));
    await machine().client().getStats();
    const restarting = machine().ask("systemctl", "restart", "sessiond.service");
    await eventually(async () => expect(await machine().property("StatusText")).toContain("Finishing"));
    const later = http(machine().socket, "GET", "/v1/info");
    await send(body.slice(10));
    expect(await reply).toMatchObject({ status: 201, connection: "close" });
    await restarting;
    expect(String(jsonOf(await later).pid)).not.toBe(pid);
    expect((await machine().client().getSession("slow")).session_id).toBe("slow");
    const messages = (await machine().journal()).map(({ message }) => message);
    expect(messages).toContain("sessiond has stopped");
  });

  test("stopped, it starts again for the next client", async () => {
    await machine().ask("systemctl", "stop", "sessiond.service");
    expect(await machine().property("Result")).toBe("success");
    expect((await machine().client().getSession("hers")).processed_files).toEqual(["a.ts"]);
    await eventually(async () => expect(await machine().property("ActiveState")).toBe("active"));
  });

  test("a blocked event loop is noticed, and the daemon started again", async () => {
    const dropIn = machine().path("/etc/systemd/system/sessiond.service.d");
    mkdirSync(dropIn);
    const lines = ["[Service]", "WatchdogSec=2s", "Environment=NODE_OPTIONS=--import=/opt/block-loop.mjs"];
    writeFileSync(join(dropIn, "test.conf"), `${lines.join("\n")}\n`);
    const fixture = resolve(import.meta.dirname, "../fixtures/block-loop.mjs");
    copyFileSync(fixture, machine().path("/opt/block-loop.mjs"));
    await machine().shell("systemctl daemon-reload && systemctl restart sessiond");
    const since = await machine().cursor();
    const pid = await machine().property("MainPID");
    // It lives for as long as its loop does.
    await new Promise((resolve) => setTimeout(resolve, 5000));
    expect(await machine().property("MainPID")).toBe(pid);
    const blocked = performance.now();
    await machine().ask("systemctl", "kill", "--kill-whom=main", "--signal=USR2", "sessiond");
    const next = await machine().client().getInfo({ timeoutMs: 20_000 });
    figure(suite, "blocked loop to serving, WatchdogSec=2s", `${Math.round(performance.now() - blocked)} ms`);
    expect(String(next.pid)).not.toBe(pid);
    const messages = (await machine().journal(since)).map(({ message }) => message);
    expect(messages).toContainEqual(expect.stringContaining("Watchdog timeout"));
    await machine().shell("rm -r /etc/systemd/system/sessiond.service.d && systemctl daemon-reload");
    await machine().ask("systemctl", "restart", "sessiond");
  });

  test("the journal has one entry for each event, with its priority", async () => {
    const since = await machine().cursor();
    await machine().client().createSession({ session_id: "logged", config });
    const long = Array.from({ length: 200 }, (_, number) => `${"x".repeat(400)}${number}: 1\n`).join("");
    await withConfig(long, async () => {
      expect((await machine().run("systemctl", "reload", "sessiond")).code).toBe(1);
    });
    const all = (await machine().journal(since)).filter(({ identifier }) => identifier === "sessiond");
    expect(all.filter(({ cut }) => cut)).toEqual([]);
    expect(Math.max(...all.map(({ message }) => Buffer.byteLength(message)))).toBeLessThanOrEqual(48 * 1024);
    const created = all.filter(({ message }) => message.includes("/v1/sessions/logged"));
    expect(created.map(({ priority }) => priority)).toEqual([6]);
    const refused = all.filter(({ message }) => message.startsWith("reload failed"));
    expect(refused.map(({ priority }) => priority)).toEqual([3]);
    const errors = await machine().journal(since, "-p", "err");
    expect(errors.map(({ message }) => message)).toContain(refused[0]?.message);
    expect(errors.filter(({ message }) => message.includes("logged"))).toEqual([]);
  });

  test("a bad configuration at the start ends it with 78, and it is not started over and over", async () => {
    const since = await machine().cursor();
    await withConfig("log: { level: loud }\n", async () => {
      expect((await machine().run("systemctl", "restart", "sessiond")).code).toBe(1);
      expect(await machine().property("ExecMainStatus")).toBe("78");
      expect(await machine().property("ActiveState")).toBe("failed");
      expect(await machine().property("NRestarts")).toBe("0");
      const errors = await machine().journal(since, "-p", "err");
      expect(errors).toContainEqual(
        expect.objectContaining({
          priority: 3,
          message: expect.stringContaining(`${configInside}:1:15: log.level`),
        }),
      );
    });
    await machine().ask("systemctl", "start", "sessiond");
    expect((await machine().client().getSession("logged")).session_id).toBe("logged");
  });

  test("clients that wait for a bad configuration are let go, and the remedy of docs/operate.md works", async () => {
    await withConfig("log: { level: loud }\n", async () => {
      await machine().run("systemctl", "restart", "sessiond");
      // Whoever connects starts it again, until systemd has seen enough.
      const waiting = http(machine().socket, "GET", "/v1/info").catch(systemErrorCode);
      await eventually(async () => {
        expect(await machine().property("Result", "sessiond.socket")).toBe("service-start-limit-hit");
      });
      expect(await waiting).toMatch(/^E/);
    });
    const remedy = "systemctl reset-failed sessiond.socket sessiond.service && systemctl start sessiond";
    await machine().shell(remedy);
    expect((await machine().client().getSession("logged")).session_id).toBe("logged");
  }, 180_000);

  test("a directory that the sandbox does not let it write to is named, with the remedy", async () => {
    await machine().shell("install -d -o sessiond -g sessiond /srv/sessions");
    const since = await machine().cursor();
    await withConfig("sessions_dir: /srv/sessions\n", async () => {
      await machine().run("systemctl", "restart", "sessiond");
      await machine().ask("systemctl", "stop", "sessiond.socket", "sessiond.service");
      const [first] = (await machine().journal(since, "-p", "crit")).map(({ message }) => message);
      expect(first).toMatch(/^cannot start: .*\/srv\/sessions.*ReadWritePaths=\/srv\/sessions/);
      const dropIn = "/etc/systemd/system/sessiond.service.d";
      await machine().shell(
        `mkdir ${dropIn} && printf '[Service]\\nReadWritePaths=/srv/sessions\\n' >${dropIn}/test.conf`,
      );
      await machine().shell(
        "systemctl daemon-reload && systemctl reset-failed sessiond && systemctl start sessiond",
      );
      expect((await machine().client().getInfo()).store.location).toBe("/srv/sessions");
      await machine().shell(`rm -r ${dropIn} && systemctl daemon-reload`);
    });
    await machine().ask("systemctl", "restart", "sessiond");
  });

  test("state that a newer version wrote is refused, and not touched", async () => {
    await machine().ask("systemctl", "stop", "sessiond.socket", "sessiond.service");
    const record = machine().path("/var/lib/sessiond/sessions/.sessiond/format.json");
    const before = readFileSync(record);
    writeFileSync(record, '{"format": 1000, "written_by": "sessiond 9.9.9"}\n');
    const state = () => stateOf(machine());
    const untouched = await state();
    expect((await machine().run("systemctl", "start", "sessiond")).code).toBe(1);
    expect(await machine().property("ExecMainStatus")).toBe("78");
    expect(await state()).toBe(untouched);
    const errors = (await machine().journal("-p", "err")).map(({ message }) => message);
    expect(errors).toContainEqual(
      expect.stringMatching(/written by sessiond 9\.9\.9 in format 1000.*nothing was changed/),
    );
    writeFileSync(record, before);
    await machine().ask("systemctl", "start", "sessiond");
  });

  test("the second socket is for reading only, for a group of its own, and stays over restarts too", async () => {
    await machine().ask("systemctl", "enable", "sessiond-read.socket");
    await machine().ask("systemctl", "restart", "sessiond.service");
    expect(await machine().ask("stat", "-c", "%a %U %G", readSocketInside)).toBe("660 root sessiond-read\n");
    await machine().shell("useradd -m -G sessiond-read monitor");
    const as = (...args: string[]) =>
      machine().run("runuser", "-u", "monitor", "--", "sessionctl", "--socket", readSocketInside, ...args);
    expect(await as("show", "hers")).toMatchObject({ code: 0 });
    const refused = await as("pause", "hers");
    expect(refused).toMatchObject({ code: 2 });
    expect(refused.stderr).toContain("this socket is read-only");
    const control = await machine().run("runuser", "-u", "monitor", "--", "sessionctl", "list");
    expect(control.code).toBe(5);
    await machine().ask("systemctl", "restart", "sessiond.service");
    expect((await as("list", "-q")).code).toBe(0);
    expect((await machine().client().getSession("hers")).status).toBe("running");
  });

  test("at rest it needs little", async () => {
    await machine().ask("systemctl", "restart", "sessiond.service");
    const pid = await machine().property("MainPID");
    await machine().client().getInfo();
    const memory = await eventually(async () => {
      const status = await machine().ask("cat", `/proc/${pid}/status`);
      return Number(/VmRSS:\s+(\d+)/.exec(status)?.[1]);
    });
    figure(suite, "memory at idle", `${Math.round(memory / 1024)} MiB`);
    expect(memory).toBeLessThan(150 * 1024);
  });
});

/** Every file with its content and times. */
async function stateOf(machine: ServiceMachine): Promise<string> {
  return machine.shell(
    "cd /var/lib/sessiond && find . -printf '%p %s %T@ %m %U\\n' | sort && find . -type f | sort | xargs -d '\\n' sha256sum",
  );
}

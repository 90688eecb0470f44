/** The commands that remove sessions and restore them, before a real daemon. */
import { describe, expect, it } from "vitest";
import { fakeDaemon, reply } from "../client/http/fake-daemon.ts";
import { commandLine, ok, withSessions } from "./command-line.ts";

describe("removing", () => {
  it("needs --yes without a terminal, and can be undone", async () => {
    const { run } = await withSessions("a", "b");
    const refused = await run("delete", "a");
    expect(refused).toMatchObject({ code: 2, stderr: expect.stringContaining("--yes") });
    expect(await run("list", "-q")).toEqual(ok("b\na\n"));
    expect(await run("delete", "a", "nope", "--yes")).toMatchObject({ code: 4 });
    expect(await run("show", "a")).toMatchObject({
      code: 4,
      stderr: expect.stringContaining("trash restore a"),
    });
    expect(await run("trash", "ls", "-q")).toEqual(ok("a\n", ""));
    expect((await run("trash", "ls")).stdout).toMatch(/^ID {2}STATUS .*\na {3}running .*deleted/);
    expect(await run("trash", "restore", "a")).toMatchObject({ code: 0 });
    expect(await run("trash", "restore", "a")).toMatchObject({ code: 4 });
    expect(await run("delete", "b", "--purge", "--yes")).toMatchObject({ code: 0 });
    expect(await run("trash", "empty")).toMatchObject({ code: 2 });
    await run("delete", "a", "--yes");
    await run("create", "src", "--id", "a");
    const taken = (await run("trash", "restore", "a")).stderr;
    const trashId = /purge.*newest entry.*sessionctl trash restore --trash-id (\S+) a\n$/.exec(
      taken,
    )?.[1] as string;
    await run("delete", "a", "--yes");
    expect(await run("trash", "restore", trashId)).toEqual(ok("", "a restored, running\n"));
    expect((await run("files", "a")).stdout).toBe("a\nb\nc\n");
    expect(JSON.parse((await run("trash", "empty", "--yes", "--json")).stdout)).toMatchObject({ removed: 1 });
  });

  it("by policy shows its plan, and carries out exactly this plan", async () => {
    const { run } = await withSessions("a", "b", "c");
    await run("complete", "a", "b");
    expect(await run("cleanup", "completed")).toMatchObject({
      code: 2,
      stderr: expect.stringContaining("--yes"),
    });
    const planned = await run("cleanup", "completed", "--keep-recent", "1", "--dry-run");
    expect(planned.stdout).toMatch(/^WOULD REMOVE .*\na .*beyond_most_recent\n$/);
    expect(planned.stderr).toContain("kept: 1 among_most_recent, 1 other_status\n");
    const whole = await run("cleanup", "completed", "--keep-recent", "1", "--dry-run", "--all");
    expect(whole.stdout).toMatch(/^ID {2}ACTION/);
    expect(whole.stdout).toMatch(/^b {3}kept .* among_most_recent$/m);
    expect(whole.stdout).toMatch(/^a {3}would remove .* beyond_most_recent$/m);
    expect(await run("cleanup", "completed", "--approve", "")).toMatchObject({ code: 2 });
    expect(await run("list", "-q", "--status", "completed")).toEqual(ok("b\na\n"));
    const plan = /--approve (\w+)/.exec(planned.stderr)?.[1] as string;
    await run("pin", "b");
    const approved = await run("cleanup", "completed", "--keep-recent", "1", "--approve", plan);
    expect(approved).toMatchObject({ code: 1, stderr: expect.stringContaining("cannot be approved") });
    await run("unpin", "b");
    expect(await run("cleanup", "completed", "--keep-recent", "0", "--yes", "-q")).toEqual(ok("b\na\n"));
    expect(await run("cleanup", "expired", "--max-age", "1d", "--yes", "--json")).toMatchObject({ code: 0 });
    expect(await run("cleanup", "failed", "--keep-recent", "1")).toMatchObject({ code: 2 });
    expect((await run("cleanup", "history", "-q")).stdout.split("\n").sort()).toEqual(["", "a", "b"]);
    expect((await run("cleanup", "status")).stdout).toMatch(/completed .* removed 2/);
  });

  it("mentions a waiting plan once, with the command that approves it", async () => {
    const waiting = {
      ...{ plan_id: "abc", since: "2026-01-02T03:04:05Z", remove: 17, total: 20 },
      why: "it would remove 17 of 20 sessions; max_delete_ratio is 0.5",
    };
    const job = { job: "completed", enabled: true, rule: "", schedule: "", timezone: "UTC", waiting };
    const jobs = [{ ...job, next_run: null, last_run: null }];
    const { socketPath } = await fakeDaemon(reply(200, { jobs }));
    const { run } = await commandLine();
    const { stderr } = await run("cleanup", "status", "--socket", socketPath);
    expect(stderr.match(/17 of 20/g)).toHaveLength(1);
    expect(stderr).toContain(`sessionctl --socket ${socketPath} cleanup completed --approve abc --yes`);
  });
});

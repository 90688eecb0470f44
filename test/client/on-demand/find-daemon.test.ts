/** Which daemon a client talks to, and what is no store. */
import { chmodSync, chownSync, mkdirSync, symlinkSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { type FindOptions, findDaemon, findOrMakeDaemon } from "../../../src/client/on-demand/find-daemon.ts";
import { isOlder } from "../../../src/client/on-demand/older-version.ts";
import { serviceSocketPath } from "../../../src/contract/socket-path.ts";
import { systemServiceListens, testWithoutService } from "../../support/system-service.ts";
import { tempDir } from "../../support/temp-dir.ts";

/** A home, and in it a project with a folder. Nothing is set up. */
async function place() {
  const home = await tempDir();
  const [project, folder] = [join(home, "project"), join(home, "project", "folder")];
  mkdirSync(folder, { recursive: true });
  const said: string[] = [];
  const options = (more: Partial<FindOptions> = {}): FindOptions => ({
    env: { HOME: home },
    cwd: folder,
    say: (line) => said.push(line),
    ...more,
  });
  return { home, project, folder, said, options };
}

function makeStore(above: string, mode = 0o700): string {
  const store = join(above, ".sessions");
  mkdirSync(store);
  chmodSync(store, mode);
  return store;
}

test("what the command line names wins, then the environment, then the nearest store", async () => {
  const { home, folder, options } = await place();
  const store = makeStore(folder);
  const env = { HOME: home, SESSIOND_SOCKET: "/env.sock", XDG_RUNTIME_DIR: home };
  writeFileSync(join(home, "sessiond.sock"), "");
  const whys = [
    findDaemon(options({ env, socket: "/given.sock", store })),
    findDaemon(options({ env, store })),
    findDaemon(options({ env })),
    findDaemon(options({ env: { ...env, SESSIOND_SOCKET: "" } })),
    findDaemon(options({ env: { ...env, SESSIOND_SOCKET: "" }, cwd: home })),
    findDaemon(options({ cwd: undefined })),
  ].map(({ why, store: found, daemon }) => [why, found ?? daemon.socketPath]);
  expect(whys).toEqual([
    ["named by --socket", "/given.sock"],
    ["named by --store", store],
    ["named by $SESSIOND_SOCKET", "/env.sock"],
    ["the store of the working directory", store],
    ["your own service: no store here or above", join(home, "sessiond.sock")],
    ["the system service: no store here or above", serviceSocketPath],
  ]);
});

test("a store above is used and named, but not above the repository, and not in the home", async () => {
  const { home, project, folder, said, options } = await place();
  makeStore(home);
  expect(findDaemon(options()).store).toBeUndefined();
  expect(findDaemon(options({ cwd: home })).store).toBeUndefined();
  const store = makeStore(project);
  expect(findDaemon(options())).toMatchObject({
    store,
    why: "the nearest store above the working directory",
  });
  expect(said).toEqual([`using the store ${store}`]);
  // A worktree of git has a file of that name.
  writeFileSync(join(folder, ".git"), "");
  expect(findDaemon(options()).store).toBeUndefined();
  expect(findDaemon(options({ cwd: project })).store).toBe(store);
});

test("what others may write, a file, and a link that leads nowhere are no store, and are said", async () => {
  const { project, folder, said, options } = await place();
  const store = makeStore(project);
  const inFolder = makeStore(folder, 0o770);
  expect(findDaemon(options()).store).toBe(store);
  expect(said[0]).toMatch(/folder\/\.sessions is not used: it may be written by its group; .*chmod/);
  chmodSync(inFolder, 0o700);
  expect(findDaemon(options()).store).toBe(inFolder);
  for (const odd of ["file", "link"] as const) {
    const cwd = join(project, odd);
    mkdirSync(cwd);
    if (odd === "file") writeFileSync(join(cwd, ".sessions"), "");
    else symlinkSync("/nowhere", join(cwd, ".sessions"));
    said.length = 0;
    expect(findDaemon(options({ cwd })).store).toBe(store);
    expect(said).toHaveLength(2);
    await expect(findOrMakeDaemon(options({ cwd, store: ".sessions" }))).rejects.toMatchObject({
      reason: "not_permitted",
    });
  }
});

testWithoutService(
  "a store is made only where nobody listens, below the home, and not with --no-start",
  async () => {
    const { home, project, folder, options } = await place();
    const makes = (more: Partial<FindOptions> = {}) => findOrMakeDaemon(options(more));
    expect(await makes()).toMatchObject({
      store: join(folder, ".sessions"),
      why: "a new store: no daemon was found",
    });
    for (const cwd of [home, "/", undefined])
      await expect(makes({ cwd })).rejects.toMatchObject({ code: "daemon_unreachable", reason: "missing" });
    await expect(makes({ mayStart: false })).rejects.toThrow("--no-start");
    // A socket that nobody listens at is no daemon.
    const socket = join(home, "sessiond.sock");
    const env = { HOME: home, XDG_RUNTIME_DIR: home };
    writeFileSync(socket, "");
    expect(await makes({ env })).toMatchObject({ why: "a new store: no daemon was found" });
    const server = createServer().listen(join(project, "sessiond.sock"));
    onTestFinished(() => void server.close());
    await new Promise((resolve) => server.once("listening", resolve));
    expect(await makes({ env: { ...env, XDG_RUNTIME_DIR: project } })).toMatchObject({
      why: "your own service: no store here or above",
    });
  },
);

test.skipIf(systemServiceListens || process.geteuid?.() !== 0)(
  "root by sudo makes no store in a user's directory",
  async () => {
    const { home, project, folder, options } = await place();
    chownSync(folder, 1000, 1000);
    const env = { HOME: home, SUDO_UID: "1000" };
    const refused = { reason: "not_permitted", message: expect.stringContaining("leave out sudo") };
    await expect(findOrMakeDaemon(options({ env }))).rejects.toMatchObject(refused);
    expect(await findOrMakeDaemon(options({ env, cwd: project }))).toMatchObject({
      why: "a new store: no daemon was found",
    });
    chownSync(makeStore(folder), 1000, 1000);
    await expect(findOrMakeDaemon(options({ env }))).rejects.toMatchObject(refused);
  },
);

test.each([
  ["0.1.0", "0.1.1", true],
  ["0.9.0", "0.10.0", true],
  ["1.0.0", "0.9.9", false],
  ["0.1.0", "0.1.0", false],
  ["unknown", "0.1.0", false],
])("%s is older than %s: %s", (one, other, is) => expect(isOlder(one, other)).toBe(is));

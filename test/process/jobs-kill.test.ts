/** The daemon killed or stopped in the middle of a job: the next run finishes it. */
import { execFile } from "node:child_process";
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import Database from "better-sqlite3";
import { describe, expect, onTestFinished, test } from "vitest";
import { get, post } from "../../src/client/http.ts";
import { openStore } from "../../src/store/open.ts";
import { parse, walk } from "../conformance/patterns.ts";
import { BACKENDS, type BackendKind, type Daemon, Home, PROGRAM } from "./daemon.ts";
import { newSeed, seeded, taskLine } from "./patterns.ts";

const DAY_MS = 86_400_000;
const OLD = 6_000;
const NEW = 300;
const never = { schedule: "0 0 29 2 *" };
const config = { retention: { ...never, keepTags: ["keep"] }, compression: { ...never, afterDays: 5 } };

/** Old ones over forty days, one in fifty of them held; new ones over ten. */
function lines(): { gone: string[]; kept: string[] } {
  const at = (days: number) => new Date(Date.now() - days * DAY_MS).toISOString();
  const old = Array.from({ length: OLD }, (_, n) =>
    taskLine({ id: `old ${n}`, timestamp: at(100 + (n % 40)), tags: n % 50 === 0 ? ["keep"] : [] }),
  );
  const kept = Array.from({ length: NEW }, (_, n) => taskLine({ id: `new ${n}`, timestamp: at(n % 10) }));
  const isHeld = (line: string) => line.includes('"keep"');
  return { gone: old.filter((line) => !isHeld(line)), kept: [...kept, ...old.filter(isHeld)] };
}

async function filled(kind: BackendKind, home: Home, all: readonly string[]): Promise<string> {
  mkdirSync(home.state, { recursive: true });
  const path = join(home.state, "patterns");
  const store = await openStore(kind, { path, durability: "os", timezone: "UTC", readOnly: false });
  await store.write(all.map(parse));
  await store.close();
  return path;
}

/** Resolves when the job is at work, or is over. */
async function isUnderWay({ sockets }: Daemon, job: string): Promise<void> {
  for (;;) {
    const { jobs } = JSON.parse((await get(sockets.control, "/health")).body);
    if (jobs[job].running || jobs[job].last) return;
    await pause(1);
  }
}

describe.each(BACKENDS)("on %s", (kind) => {
  test.each(["retention", "compression"])(
    "a %s that was killed or stopped is finished by the next one",
    async (job) => {
      const random = seeded(newSeed(`jobs kill ${kind} ${job}`));
      const home = new Home();
      const { gone, kept } = lines();
      const path = await filled(kind, home, [...gone, ...kept]);
      for (const signal of ["SIGKILL", "SIGTERM", "SIGKILL", "SIGTERM"] as const) {
        const daemon = await home.start({ backend: kind, config });
        const asked = post(daemon.sockets.control, `/v1/jobs/${job}`).catch(() => undefined);
        await isUnderWay(daemon, job);
        // The moment is what chance makes of it: nothing to wait for.
        await pause(random() * 60);
        expect(await daemon.stop(signal)).toBe(signal === "SIGTERM" ? 0 : null);
        await asked;
        expect(daemon.log.filter(({ level }) => level === "error")).toEqual([]);
      }
      const daemon = await home.start({ backend: kind, config });
      const answer = await post(daemon.sockets.control, `/v1/jobs/${job}`);
      expect(answer.status).toBe(200);
      const again = JSON.parse((await post(daemon.sockets.control, `/v1/jobs/${job}?dryRun=true`)).body);
      expect(again).toMatchObject({ files: 0, ...(job === "retention" ? { patterns: 0 } : {}) });
      expect(await daemon.stop()).toBe(0);
      const store = await openStore(kind, { path, durability: "os", timezone: "UTC", readOnly: true });
      const wanted = job === "retention" ? kept : [...kept, ...gone];
      expect((await walk(store, {}, 1000)).sort()).toEqual(wanted.toSorted());
      await store.close();
    },
    60_000,
  );
});

describe("who has asked when the daemon stops", () => {
  /** A daemon whose database somebody else holds, so that what is asked for takes as long as one likes. */
  async function held() {
    const home = new Home();
    await filled("sqlite", home, lines().gone);
    const daemon = await home.start({
      backend: "sqlite",
      config: { ...config, shutdown: { timeoutMs: 100 } },
    });
    const other = new Database(join(home.state, "patterns.db"));
    onTestFinished(() => {
      other.close();
    });
    other.exec("BEGIN EXCLUSIVE");
    return { home, daemon };
  }

  test("is told so, and the log says it", async () => {
    const { daemon } = await held();
    const asked = ["/v1/jobs/retention", "/v1/forget?id=old%201", "/v1/jobs/compression"].map((order) =>
      post(daemon.sockets.control, order),
    );
    await isUnderWay(daemon, "retention");
    await daemon.stop();
    for (const { status, body } of await Promise.all(asked))
      expect([status, JSON.parse(body)]).toMatchObject([503, { code: "daemon_stopping" }]);
    const told = daemon.log.filter(({ event }) => event === "request.stopped");
    expect(told.map(({ request }) => request)).toEqual([
      "POST /v1/jobs/retention",
      "POST /v1/forget",
      "POST /v1/jobs/compression",
    ]);
    expect(await daemon.event("job.stopped")).toMatchObject({ level: "warn", job: "retention" });
  });

  test.each([
    ["SIGTERM", 1, /the daemon stops\n.*ask for the same again/],
    ["SIGKILL", 3, /hung up before it answered\n.*Ask again/],
  ] as const)("by the command, with %s", async (signal, status, words) => {
    const { home, daemon } = await held();
    const command = new Promise<{ status: number | null; stderr: string }>((resolve) => {
      const child = execFile(
        process.execPath,
        [PROGRAM, "delete-old", "--socket", daemon.sockets.control],
        { env: home.env },
        (_error, _stdout, stderr) => resolve({ status: child.exitCode, stderr }),
      );
    });
    await isUnderWay(daemon, "retention");
    await daemon.stop(signal);
    expect(await command).toEqual({ status, stderr: expect.stringMatching(words) });
  });
});

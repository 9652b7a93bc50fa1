/** Lines that were refused are seen, sent again once the reason is gone, and removed: by the command, with and without a daemon. */
import { execFile } from "node:child_process";
import { appendFileSync, existsSync, mkdirSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import * as v from "valibot";
import { describe, expect, test } from "vitest";
import { ask, askAll, askHealth, balance, type LineCounts, lines, send } from "./client.ts";
import { BACKENDS, Home, PROGRAM } from "./daemon.ts";
import { difference, NONE, newSeed, seeded, taskLine } from "./patterns.ts";

const review = (id: string, timestamp = "2026-05-01T10:00:00Z") =>
  JSON.stringify({ pattern_id: id, pattern_type: "code_review", timestamp, data: { findings: 3 } });
const TYPES = { types: { code_review: { required: { findings: "integer" } } } };

interface Run {
  readonly status: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

const rejected = (home: Home, ...args: string[]) => command(home, "rejected", ...args);

function command(home: Home, ...args: string[]): Promise<Run> {
  return new Promise((resolve) => {
    const child = execFile(
      process.execPath,
      [PROGRAM, ...args],
      { env: home.env },
      (_error, stdout, stderr) => resolve({ status: child.exitCode, stdout, stderr }),
    );
  });
}

const record = v.looseObject({ record: v.string(), code: v.string(), line: v.optional(v.string()) });

function recordsIn(stdout: string) {
  return stdout
    .split("\n")
    .slice(0, -1)
    .map((text) => v.parse(record, JSON.parse(text)));
}

function addsUp({ in_flight, ...lines }: LineCounts): void {
  const { came, went } = balance(lines, in_flight);
  expect(went).toBe(came);
}

describe.each(BACKENDS)("%s", (backend) => {
  test("listed, shown, replayed when the type is declared, purged", async () => {
    const home = new Home();
    const first = await home.start({ backend });
    const sent = [review("a"), review("b")];
    await send(first.sockets.ingest, [lines(...sent, "no JSON")]);
    const listed = await rejected(home, "list");
    expect(listed).toMatchObject({ status: 0, stderr: "" });
    const records = recordsIn(listed.stdout);
    expect(records.map(({ code, line }) => [code, line])).toEqual([
      ["invalid_json", "no JSON"],
      ["unknown_pattern_type", sent[1]],
      ["unknown_pattern_type", sent[0]],
    ]);
    const [name] = records.map((one) => one.record);
    expect((await rejected(home, "show", name ?? "")).stdout).toBe(listed.stdout.split(/(?<=\n)/)[0]);
    const inVain = await rejected(home, "replay", "--code", "unknown_pattern_type");
    expect(inVain).toMatchObject({ status: 1, stdout: expect.stringContaining("2 unknown_pattern_type") });
    expect((await rejected(home, "list")).stdout).toBe(listed.stdout);
    const counts = (await askHealth(first.sockets.query)).lines;
    expect(counts).toMatchObject({ received: 3, replayed: 2, rejected: 5, in_flight: 0 });
    addsUp(counts);
    expect(await first.stop()).toBe(0);

    const second = await home.start({ backend, config: TYPES });
    const dry = await rejected(home, "replay", "--dry-run", "--json");
    expect(JSON.parse(dry.stdout)).toMatchObject({ dry_run: true, lines: 3, stored: 2, rejected: 1 });
    expect(await askAll(second.sockets.query, 10)).toEqual([]);
    const report = await rejected(home, "replay", "--code", "unknown_pattern_type", "--json");
    expect([report.status, JSON.parse(report.stdout)]).toMatchObject([
      0,
      { lines: 2, stored: 2, rejected: 0 },
    ]);
    expect(difference(await askAll(second.sockets.query, 10), sent)).toEqual(NONE);
    expect(recordsIn((await rejected(home, "list")).stdout).map(({ record }) => record)).toEqual([name]);
    const again = await rejected(home, "replay", "--code", "unknown_pattern_type", "--json");
    expect([again.status, JSON.parse(again.stdout)]).toMatchObject([0, { lines: 0 }]);
    const { lines: after, ...health } = await askHealth(second.sockets.query);
    expect(after).toMatchObject({ replayed: 2, stored: 2, rejected: 0, in_flight: 0 });
    addsUp(after);
    expect(health.rejected).toMatchObject({ path: join(home.state, "rejected"), files: 1 });

    expect((await rejected(home, "purge")).status).toBe(64);
    expect((await rejected(home, "purge", "--before", "2026-01-01", "--yes")).stdout).toMatch(/^removed 0 /);
    expect((await rejected(home, "purge", "--yes")).stdout).toMatch(/^removed 1 rejected line, \d+ bytes\n$/);
    expect(readdirSync(join(home.state, "rejected"))).toEqual([]);
    expect(second.log.map(({ event }) => event)).toEqual(
      expect.arrayContaining(["rejected.replayed", "rejected.purged"]),
    );
    expect(await second.stop()).toBe(0);
  });

  test.each([true, false])(
    "a record of an import that is laid out over lines is one line when it is sent again (daemon: %s)",
    async (isServed) => {
      const home = new Home();
      const plain = join(home.folder, "plain.json");
      const config = join(home.folder, "typed.json");
      const file = join(home.folder, "old.json");
      mkdirSync(home.folder, { recursive: true });
      writeFileSync(plain, JSON.stringify({ backend }));
      writeFileSync(config, JSON.stringify({ backend, ...TYPES }));
      writeFileSync(file, JSON.stringify([JSON.parse(review("a")), { a: "\n" }], null, 2));
      expect(await command(home, "import", file, "--config", plain)).toMatchObject({ status: 1 });
      const daemon = isServed ? await home.start({ backend, config: TYPES }) : undefined;
      const report = await rejected(home, "replay", "--config", config, "--json");
      expect(JSON.parse(report.stdout)).toMatchObject({ lines: 2, stored: 1, rejected: 1 });
      await daemon?.stop();
      const last = await home.start({ backend, config: TYPES });
      expect(await askAll(last.sockets.query, 10)).toEqual([review("a")]);
    },
  );

  test("without a daemon the store itself is asked", async () => {
    const home = new Home();
    const daemon = await home.start({ backend });
    const [known, again] = [taskLine(), review("c")];
    await send(daemon.sockets.ingest, [lines(known, "no JSON", again)]);
    expect(await daemon.stop()).toBe(0);
    const config = join(home.folder, "later.json");
    writeFileSync(config, JSON.stringify({ backend, ...TYPES }));
    const listed = await rejected(home, "list", "--config", config);
    expect(recordsIn(listed.stdout)).toHaveLength(2);
    expect(listed.stderr).toContain("no daemon answers; reading");
    const report = await rejected(home, "replay", "--config", config, "--json");
    expect(report.stderr).toContain(`${backend} store`);
    expect([report.status, JSON.parse(report.stdout)]).toMatchObject([
      1,
      { lines: 2, stored: 1, rejected: 1 },
    ]);
    expect((await rejected(home, "purge", "--yes", "--config", config)).stdout).toMatch(/^removed 1 /);
    const later = await home.start({ backend, config: TYPES });
    expect(difference(await askAll(later.sockets.query, 10), [known, again])).toEqual(NONE);
    expect(await rejected(home, "list")).toMatchObject({ status: 0, stdout: "" });
  });

  test("killed while it replays, and again: every line is stored once, and what came meanwhile stays", async () => {
    const random = seeded(newSeed("replay"));
    const home = new Home();
    const daemon = await home.start({ backend });
    const sent = Array.from({ length: 3_000 }, (_, index) => review(`${index}`));
    const bad = ["no JSON"];
    await send(daemon.sockets.ingest, [lines(...sent, ...bad)]);
    expect(await daemon.stop()).toBe(0);
    for (let round = 0; round < 4; round += 1) {
      const next = await home.start({ backend, config: TYPES });
      const replay = ask(next.sockets.control, "/v1/rejected/replay", "POST").catch(() => undefined);
      bad.push(`bad ${round}`);
      const more = send(next.sockets.ingest, [lines(`bad ${round}`)]).catch(() => undefined);
      await new Promise((resolve) => setTimeout(resolve, random() * 150));
      next.signal("SIGKILL");
      await Promise.all([replay, more, next.exited]);
    }
    const last = await home.start({ backend, config: TYPES });
    const answer = await ask(last.sockets.control, "/v1/rejected/replay", "POST");
    expect(answer.status).toBe(200);
    expect(difference(await askAll(last.sockets.query, 10_000), sent)).toEqual(NONE);
    const kept = recordsIn((await rejected(home, "list", "--limit", "10000")).stdout).map(({ line }) => line);
    expect(kept.filter((line) => line === bad[0])).toHaveLength(1);
    expect(kept.filter((line) => !bad.includes(line ?? ""))).toEqual([]);
    addsUp((await askHealth(last.sockets.query)).lines);
    expect(await last.stop()).toBe(0);
  }, 60_000);
});

test("old days go when the daemon starts", async () => {
  const home = new Home();
  const daemon = await home.start({ backend: "filesystem" });
  await send(daemon.sockets.ingest, [lines("no JSON")]);
  expect(await daemon.stop()).toBe(0);
  const old = join(home.state, "rejected", "2026-01-01.ndjson");
  appendFileSync(old, "{}\n");
  const next = await home.start({ backend: "filesystem", config: { rejected: { days: 30 } } });
  expect(await next.event("rejected.expired")).toMatchObject({ file: "2026-01-01.ndjson", bytes: 3 });
  expect(existsSync(old)).toBe(false);
  expect(readdirSync(join(home.state, "rejected"))).toHaveLength(1);
});

test("the oldest lines go when there is no more room, and are counted", async () => {
  const home = new Home();
  const folder = join(home.state, "rejected");
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  writeFileSync(join(folder, "2026-11-01.ndjson"), '{"line":"a"}\n{"line":"b"}\n{"line":"c"}\n');
  const config = { rejected: { maxBytes: 100, days: 36_500 } };
  const daemon = await home.start({ backend: "filesystem", config });
  await send(daemon.sockets.ingest, [lines("no JSON")]);
  const dropped = await daemon.event("rejected.dropped");
  expect(dropped).toMatchObject({ file: "2026-11-01.ndjson", bytes: 39, lines: 3 });
  const { body } = await ask(daemon.sockets.query, "/metrics");
  expect(body).toMatch(/^patternd_rejected_dropped_lines_total 3$/m);
});

test("a wrong word is answered with what was expected", async () => {
  const home = new Home();
  const daemon = await home.start({ backend: "filesystem" });
  for (const search of ["code=", "before=1", "dryRun=yes", "startDate=soon", "code=a&code=b"]) {
    const { status, body } = await ask(daemon.sockets.control, `/v1/rejected/replay?${search}`, "POST");
    expect([search, status, JSON.parse(body).code]).toEqual([search, 400, "bad_request"]);
  }
  expect((await ask(daemon.sockets.query, "/v1/rejected/purge", "POST")).status).toBe(405);
  for (const args of [
    ["list", "--code", "x"],
    ["show", "x"],
    ["replay", "--since", "soon"],
    ["list", "--limit", "0"],
  ]) {
    expect([args, (await rejected(home, ...args)).status]).toEqual([args, 64]);
  }
  expect(await rejected(home, "show", "2026-11-22-0123456789")).toMatchObject({ status: 1, stdout: "" });
});

test("while rejected lines can't be kept, only their senders wait, and that is what is said", async () => {
  const home = new Home();
  const folder = join(home.state, "rejected");
  mkdirSync(home.state, { recursive: true });
  writeFileSync(folder, "in the way");
  const daemon = await home.start({ backend: "filesystem" });
  const bad = send(daemon.sockets.ingest, [lines(taskLine({ id: "before" }), "no JSON")]);
  let isAnswered = false;
  const answered = bad.finally(() => {
    isAnswered = true;
  });
  expect(await daemon.event("rejected.failed")).toMatchObject({ level: "error" });
  for (let round = 0; round < 3; round += 1) {
    const { receipt } = await send(daemon.sockets.ingest, [lines(taskLine())]);
    expect(receipt.stored).toBe(1);
  }
  expect(isAnswered).toBe(false);
  const { status, lines: counts, ...health } = await askHealth(daemon.sockets.query);
  expect(status).toBe("degraded");
  expect(health.reasons).toEqual([expect.stringMatching(/^rejected lines can't be kept: /)]);
  expect(counts).toMatchObject({ received: 5, stored: 3, rejected: 0, in_flight: 2 });
  rmSync(folder);
  expect((await answered).receipt).toEqual({ lines: 2, stored: 1, rejected: 1, not_collected: 0 });
  await daemon.event("rejected.recovered");
  expect((await askHealth(daemon.sockets.query)).status).toBe("ready");
  expect(recordsIn((await rejected(home, "list")).stdout)).toMatchObject([{ line: "no JSON" }]);
  expect(daemon.log.filter(({ event }) => event.startsWith("backend."))).toEqual([]);
  expect(await daemon.stop()).toBe(0);
});

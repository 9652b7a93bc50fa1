/** The library over a running daemon: the same class, the same answers. */
import { createServer } from "node:http";
import { join } from "node:path";
import * as fc from "fast-check";
import { describe, expect, onTestFinished, test } from "vitest";
import {
  type Pattern,
  PatternError,
  PatternStorage,
  type QueryOptions,
  type Report,
  type TaskCompletionPattern,
} from "../src/index.ts";
import { BACKENDS, type BackendKind, Home } from "./process/daemon.ts";

function task(id: string, timestamp = "2026-05-01T10:00:00Z", tags: string[] = []): TaskCompletionPattern {
  const data = { task_type: "refactoring", agent: "builder", duration_ms: 1, success: true };
  return { pattern_id: id, pattern_type: "task_completion", timestamp, data, context: { tags } };
}

const ids = (patterns: readonly Pattern[]) => patterns.map((pattern) => pattern.pattern_id);

async function overDaemon(backend: BackendKind, config: object = {}) {
  const home = new Home();
  const daemon = await home.start({ backend, config });
  const storage = await PatternStorage.open({ backend: "daemon", socket: daemon.sockets.ingest });
  onTestFinished(() => storage.close());
  return { home, daemon, storage };
}

/** An analysis up to now has another end, and other parts, a moment later. */
function withoutTime(report: Report): object {
  const { period: _, before: __, patterns, ...rest } = report;
  const text = JSON.stringify({ ...rest, total: patterns.total, byType: patterns.byType });
  return JSON.parse(text, (key, value) => (key === "timeline" ? undefined : value));
}

describe.each(BACKENDS)("a daemon on %s", (backend) => {
  test("saves, loads and answers as a store of one's own", async () => {
    const { storage } = await overDaemon(backend);
    expect(await storage.save(task("a", "2026-05-01T10:00:00Z", ["x"]))).toBe("stored");
    expect(await storage.saveMany([task("b"), task("é/..?#%00 🦊", "2026-05-02"), task("b")])).toEqual(
      Array(3).fill("stored"),
    );
    expect(await storage.saveMany([])).toEqual([]);
    const odd = `{"z":9007199254740993,${JSON.stringify(task("odd", "2026-05-03")).slice(1)}`;
    await storage.saveLine(odd);
    expect(await storage.loadLine("odd")).toBe(odd);
    expect(await storage.load("é/..?#%00 🦊")).toEqual(task("é/..?#%00 🦊", "2026-05-02"));
    for (const id of ["none", "", "\ud800"]) expect(await storage.load(id)).toBeUndefined();
    expect(ids(await storage.query({ tags: ["x"] }))).toEqual(["a"]);
    const all = ["odd", "é/..?#%00 🦊", "a", "b"];
    expect(ids(await storage.query())).toEqual(all);
    const { patterns, cursor } = await storage.queryPage({ limit: 3 });
    expect([...ids(patterns), ...ids(await storage.query({ cursor }))]).toEqual(all);
    const iterated: Pattern[] = [];
    for await (const pattern of storage.iterate({ endDate: new Date("2026-05-02T12:00:00Z") }))
      iterated.push(pattern);
    expect(ids(iterated)).toEqual(all.slice(1));
  });

  test("any question has the answer that the store gives", async () => {
    const { home, storage } = await overDaemon(backend);
    const all = Array.from({ length: 30 }, (_, n) => ({
      ...task(`n${n}`, `2026-05-0${1 + (n % 3)}T10:00:00.00000000${n % 5}Z`, [`t${n % 2}`, "a&b=c"]),
      data: { ...task("").data, agent: `a ${n % 4}`, success: n % 3 > 0 },
    }));
    await storage.saveMany(all);
    const path = join(home.state, backend === "sqlite" ? "patterns.db" : "patterns");
    const own = await PatternStorage.open({ backend, path, readOnly: true });
    onTestFinished(() => own.close());
    const options: fc.Arbitrary<QueryOptions> = fc.record(
      {
        patternType: fc.constantFrom("task_completion", "error_occurrence"),
        startDate: fc.constantFrom("2026-05-01T10:00:00.000000002Z", "2026-05-02", new Date("2026-05-03")),
        endDate: fc.constantFrom("2026-05-02T10:00:00.000000003Z", "2026-05-02"),
        tags: fc.constantFrom(["t1"], ["t1", "a&b=c"], ["none"]),
        agent: fc.constantFrom("a 1", "a+1"),
        success: fc.boolean(),
        where: fc.constantFrom("data.agent=a 2", ["data.agent=a 2", "data.success=true"]),
        text: fc.constantFrom("A 3", "&B="),
        limit: fc.integer({ min: 1, max: 40 }),
      },
      { requiredKeys: [] },
    );
    await fc.assert(
      fc.asyncProperty(options, async (asked) => {
        expect(await storage.queryLines(asked)).toEqual(await own.queryLines(asked));
      }),
      { numRuns: 50 },
    );
    for (const asked of [{}, { agent: "a 1" }, { startDate: "2026-05-02", endDate: "2026-05-02" }]) {
      expect(withoutTime(await storage.analyze(asked))).toEqual(withoutTime(await own.analyze(asked)));
    }
    expect((await own.analyze({ tags: ["t1"] })).agents[0]).toMatchObject({ agent: "a 1", tasks: 8 });
    const paged = { agent: "a 1", limit: 3 };
    for (const each of [storage, own]) {
      await expect(each.analyze(paged)).rejects.toMatchObject({ code: "bad_request" });
    }
  });

  test("what is invalid is not sent, and what the daemon refuses is said", async () => {
    const { daemon, storage } = await overDaemon(backend, { collect: { agent_usage: false } });
    const invalid = { ...task("x"), data: { ...task("").data, duration_ms: -1 } };
    await expect(storage.saveMany([task("y"), invalid])).rejects.toMatchObject({
      code: "invalid_field",
      path: "data.duration_ms",
      index: 1,
    });
    expect(await storage.load("y")).toBeUndefined();
    const types = { note: { required: {} } } as const;
    const declared = await PatternStorage.open({ backend: "daemon", socket: daemon.sockets.ingest, types });
    const note = { pattern_id: "n", pattern_type: "note", timestamp: "2026-05-01", data: {} } as const;
    const refused = declared.saveMany([task("y"), note]);
    await expect(refused).rejects.toBeInstanceOf(PatternError);
    await expect(refused).rejects.toMatchObject({ code: "unknown_pattern_type", patternId: "n", index: 1 });
    // Its neighbour is stored all the same: a daemon takes lines one by one.
    expect(await declared.load("y")).toEqual(task("y"));
    const usage = { agent_type: "a", task_type: "t", success: true, duration_ms: 1 };
    const off = { ...note, pattern_type: "agent_usage", data: usage } as const;
    await expect(storage.save(off)).rejects.toMatchObject({
      code: "bad_request",
      message: expect.stringContaining("does not collect"),
    });
  });

  test("says so when the daemon is gone, and when it is closed itself", async () => {
    const { daemon, storage } = await overDaemon(backend);
    await daemon.stop();
    await expect(storage.save(task("a"))).rejects.toMatchObject({ code: "daemon_unreachable" });
    await expect(storage.query()).rejects.toMatchObject({ code: "daemon_unreachable" });
    await storage.close();
    await storage.close();
    for (const call of [
      storage.save(task("a")),
      storage.query(),
      storage.load("a"),
      storage.deleteOldPatterns(),
    ]) {
      await expect(call).rejects.toMatchObject({ code: "store_closed" });
    }
    const socket = daemon.sockets.ingest;
    await expect(PatternStorage.open({ backend: "daemon", socket })).rejects.toMatchObject({
      code: "daemon_unreachable",
    });
  });
});

test("options that mean nothing to a daemon are named", async () => {
  const options = { backend: "daemon", path: "x", retentionDays: 3 } as const;
  await expect(PatternStorage.open(options)).rejects.toMatchObject({
    code: "bad_request",
    message: expect.stringMatching(/path(?:.|\n)*retentionDays/),
  });
  const { storage } = await overDaemon("filesystem");
  await expect(storage.compressOldFiles({ afterDays: 3 })).rejects.toMatchObject({ code: "bad_request" });
  await expect(storage.deleteOldPatterns({ retentionDays: 0 })).rejects.toMatchObject({
    code: "bad_request",
  });
});

test("a question that is too long for a daemon is said to be so", async () => {
  const { storage } = await overDaemon("filesystem");
  await expect(storage.query({ text: "x".repeat(20_000) })).rejects.toMatchObject({
    code: "bad_request",
    message: expect.stringContaining("16 KiB"),
  });
});

test("its timestamps without a zone are the store's", async () => {
  const { storage } = await overDaemon("filesystem", { timezone: "Asia/Seoul" });
  await storage.saveMany([task("seoul", "2026-05-01T10:00:00"), task("utc", "2026-05-01T01:00:01Z")]);
  expect(ids(await storage.query())).toEqual(["utc", "seoul"]);
});

test("a daemon that is too old to delete on demand is said to be so", async () => {
  const { daemon, storage } = await overDaemon("filesystem");
  await daemon.stop();
  const old = createServer((_, response) => {
    response.writeHead(404, { "content-type": "application/problem+json" });
    response.end(JSON.stringify({ code: "not_found", detail: "there is no POST" }));
  });
  await new Promise<void>((resolve) => old.listen(daemon.sockets.control, resolve));
  onTestFinished(() => void old.close());
  for (const order of [storage.deleteOldPatterns(), storage.compressOldFiles()]) {
    await expect(order).rejects.toMatchObject({ code: "not_found", hint: expect.stringContaining("update") });
  }
});

import { describe, expect, test } from "vitest";
import { ask, askAll, askHealth, lines, send } from "./client.ts";
import { BACKENDS, Home } from "./daemon.ts";
import { taskLine } from "./patterns.ts";

const usage = (id: string) =>
  JSON.stringify({
    pattern_id: id,
    pattern_type: "agent_usage",
    timestamp: "2026-05-01T10:00:00Z",
    data: { agent_type: "tester", task_type: "test", success: true, duration_ms: 1 },
  });

describe.each(BACKENDS)("%s", (backend) => {
  test("every line that was received is counted as what became of it", async () => {
    const home = new Home();
    const daemon = await home.start({ backend, config: { collect: { agent_usage: false } } });
    const first = taskLine({ id: "a", timestamp: "2026-05-02" });
    const newest = taskLine({ id: "a", timestamp: "2026-05-03" });
    const content = [
      first,
      first,
      taskLine({ id: "a", timestamp: "2026-05-01" }),
      newest,
      taskLine({ id: "b", task: "before" }),
      taskLine({ id: "b", task: "after, at the same instant" }),
      "not JSON",
      "{}",
      "{}",
      usage("c"),
    ];
    const { receipt } = await send(daemon.sockets.ingest, [lines(...content)]);
    expect(receipt).toEqual({ lines: 10, stored: 6, rejected: 3, not_collected: 1 });
    await send(daemon.sockets.ingest, [lines(first, newest)]);
    const counts = {
      received: 12,
      stored: 2,
      replaced: 2,
      superseded: 4,
      rejected: 3,
      not_collected: 1,
      rejected_by_code: { invalid_json: 1, missing_field: 2 },
    };
    expect(await askHealth(daemon.sockets.query)).toMatchObject({
      status: "ready",
      reasons: [],
      store: { backend },
      lines: { ...counts, in_flight: 0 },
    });
    expect(await askAll(daemon.sockets.query, 10)).toEqual([newest, content[5]]);
    expect(await daemon.stop()).toBe(0);
    expect(await daemon.event("daemon.stopped")).toMatchObject({ ...counts, abandoned: 0 });
  });

  test("a type that is switched off is settled and discarded, and logged once", async () => {
    const home = new Home();
    const daemon = await home.start({ backend, config: { collect: { agent_usage: false } } });
    const kept = taskLine();
    const off = Array.from({ length: 100 }, (_, index) => usage(`off ${index}`));
    const { rejects, receipt } = await send(daemon.sockets.ingest, [lines(...off, kept)]);
    expect(rejects).toEqual([]);
    expect(receipt).toEqual({ lines: 101, stored: 1, rejected: 0, not_collected: 100 });
    expect(await askAll(daemon.sockets.query, 10)).toEqual([kept]);
    const events = () => daemon.log.filter(({ event }) => event === "pattern.not_collected");
    await daemon.event("pattern.not_collected");
    expect(events()).toHaveLength(1);
    expect(await daemon.stop()).toBe(0);
    const counted = events().map(({ counts }) => Object.entries(counts ?? {}));
    const total = counted.flat().reduce((sum, [, count]) => sum + count, 0);
    expect(counted.flat().every(([type]) => type === "agent_usage")).toBe(true);
    expect(total).toBe(100);
  });

  test("a type that the configuration declares is stored like the built-in ones", async () => {
    const config = { types: { code_review: { required: { reviewer: "string", findings: "integer" } } } };
    const { sockets } = await new Home().start({ backend, config });
    const review = (id: string, data: object) =>
      JSON.stringify({ pattern_id: id, pattern_type: "code_review", timestamp: "2026-05-01", data });
    const good = review("good", { reviewer: "ann", findings: 3, more: [] });
    const bad = review("bad", { reviewer: "ann", findings: "3" });
    const { rejects } = await send(sockets.ingest, [lines(taskLine(), good, bad)]);
    expect(rejects).toMatchObject([{ line: 3, code: "invalid_field", path: "data.findings" }]);
    const { body } = await ask(sockets.query, "/v1/patterns?patternType=code_review");
    expect(body).toBe(`${good}\n`);
  });
});

import * as fc from "fast-check";
import { expect, test } from "vitest";
import type { Filter } from "../../src/store/filter.ts";
import { AT, batches, EARLIER, filters, idsOf, instantOf, LATER, Model, note, walk } from "./patterns.ts";
import { type Open, Place } from "./place.ts";

export function queries(open: Open): void {
  const TASK = { task_type: "t", duration_ms: 1 };
  const patterns = [
    note("plain"),
    note("task", { type: "task_completion", data: { ...TASK, agent: "a", success: true } }),
    note("usage", { type: "agent_usage", data: { ...TASK, agent_type: "a", success: false } }),
    note("context", { context: { agent: "a", tags: ["x"], project_name: "p", session_id: "s", host: "h" } }),
    note("tags", { context: { tags: ["y", "x", "x"], metadata: { project_name: "p" } } }),
    note("error", { data: { error_type: "TypeError", code: 7, deep: { ok: null, list: ["ÄÖ"] } } }),
    note("earlier", { at: EARLIER, context: { tags: ["x", "한"] } }),
    note("later", { at: LATER, context: { project_name: "P" } }),
  ];
  const [at, earlier, later] = [instantOf(AT), instantOf(EARLIER), instantOf(LATER)];
  const cases: [string, Filter, string[]][] = [
    ["type", { patternType: "task_completion" }, ["task"]],
    ["an unknown type", { patternType: "nothing" }, []],
    ["start", { start: at }, ["context", "error", "later", "plain", "tags", "task", "usage"]],
    ["start, inclusive", { start: later }, ["later"]],
    ["end, inclusive", { end: earlier }, ["earlier"]],
    ["both bounds", { start: earlier + 1n, end: at - 1n }, []],
    ["tag", { tags: ["x"] }, ["context", "earlier", "tags"]],
    ["all tags", { tags: ["x", "y"] }, ["tags"]],
    ["many tags", { tags: ["x", "y", "x", "y", "x", "y", "x", "y", "x", "y", "x", "z"] }, []],
    ["no tags asked", { tags: [], start: later }, ["later"]],
    ["agent", { agent: "a" }, ["context", "task", "usage"]],
    ["agent and tag", { agent: "a", tags: ["x"] }, ["context"]],
    ["agent and type", { agent: "a", patternType: "agent_usage" }, ["usage"]],
    ["project", { project: "p" }, ["context"]],
    ["session", { session: "s" }, ["context"]],
    ["host", { host: "h" }, ["context"]],
    ["success", { success: true }, ["task"]],
    ["failure", { success: false }, ["usage"]],
    ["where text", { where: [{ path: "data.error_type", value: "TypeError" }] }, ["error"]],
    ["where number", { where: [{ path: "data.code", value: "7" }] }, ["error"]],
    ["where null in the deep", { where: [{ path: "data.deep.ok", value: "null" }] }, ["error"]],
    ["text, whatever its case", { text: "äö" }, ["error"]],
    ["text and time", { text: "note", end: earlier }, ["earlier"]],
    [
      "everything",
      { agent: "a", tags: ["x"], project: "p", session: "s", host: "h", text: "note" },
      ["context"],
    ],
  ];

  test.each(cases)("filter by %s", async (_, filter, expected) => {
    const backend = await new Place(open).open();
    await backend.write(patterns);
    expect((await idsOf(backend, filter)).sort()).toEqual(expected);
  });

  test("a lone surrogate is itself, not the character that stands for it elsewhere", async () => {
    const backend = await new Place(open).open();
    const words = ["\ud800", "\udc00", "\ufffd"];
    const context = (word: string) => ({ agent: word, project_name: word, session_id: word, host: word });
    await backend.write(words.map((word, n) => note(`${n}`, { context: context(word) })));
    await backend.write([note("tag", { context: { tags: ["\ufffd"] } })]);
    for (const [n, word] of words.entries()) {
      for (const filter of [{ agent: word }, { project: word }, { session: word }, { host: word }]) {
        expect(await idsOf(backend, filter)).toEqual([`${n}`]);
      }
    }
    expect(await idsOf(backend, { tags: ["\ud800"] })).toEqual([]);
    expect(await idsOf(backend, { tags: ["\ufffd"] })).toEqual(["tag"]);
  });

  test("filters apply before the limit", async () => {
    const backend = await new Place(open).open();
    const many = Array.from({ length: 50 }, (_, n) => note(`n${n}`, { at: LATER, context: { tags: ["z"] } }));
    await backend.write([...patterns, ...many]);
    for (const filter of [{ tags: ["x"] }, { success: true }, { agent: "a" }, { text: "typeerror" }]) {
      expect((await backend.query(filter, { limit: 1 })).lines).toHaveLength(1);
    }
  });

  test("what a replaced version was found by is forgotten", async () => {
    const backend = await new Place(open).open();
    const context = { tags: ["x"], agent: "a", project_name: "p", session_id: "s", host: "h" };
    await backend.write([note("id", { context })]);
    await backend.write([note("id", { at: LATER, context: { tags: ["y"] } })]);
    const gone: Filter[] = [
      { tags: ["x"] },
      { agent: "a" },
      { project: "p" },
      { session: "s" },
      { host: "h" },
    ];
    for (const filter of [...gone, { end: at }]) {
      expect(await walk(backend, filter)).toEqual([]);
    }
    expect(await idsOf(backend, { tags: ["y"] })).toEqual(["id"]);
  });

  test("any patterns and any filter: as the model says", async () => {
    await fc.assert(
      fc.asyncProperty(batches, filters, fc.integer({ min: 1, max: 4 }), async (all, filter, limit) => {
        const place = new Place(open);
        const backend = await place.open();
        const model = new Model();
        for (const batch of all) expect(await backend.write(batch)).toEqual(model.write(batch));
        expect(await walk(backend, {}, limit)).toEqual(model.lines({}));
        expect(await walk(backend, filter, limit)).toEqual(model.lines(filter));
        await place.remove();
      }),
      { numRuns: 60 },
    );
  });
}

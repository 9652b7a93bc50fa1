import { createHash } from "node:crypto";
import { mkdirSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import Database from "better-sqlite3";
import { describe, expect, test } from "vitest";
import { askHealth, askPattern, lines, type Replies, send } from "./client.ts";
import { BACKENDS, type BackendKind, type Daemon, Home } from "./daemon.ts";
import { nested, taskLine, taskLines } from "./patterns.ts";

/** Stands in every line that is sent: no log line may hold it. */
const SECRET = "s3cret";
const HEAD_BYTES = 64 * 1024;

interface Bad {
  readonly line: string | Uint8Array;
  /** What the answer says beside line and code. */
  readonly says?: object;
  /** What is kept in place of the line's text. */
  readonly kept?: object;
}

const task = (fields: object) =>
  JSON.stringify({ ...JSON.parse(taskLine({ id: "x", task: SECRET })), ...fields });
const without = (key: string) => task({ [key]: undefined });
const withData = (data: object) => taskLine({ id: "x", task: SECRET, data });
const saying = (path: string, message: RegExp) => ({
  path,
  message: expect.stringMatching(message),
  pattern_id: "x",
});

const notUtf8 = Buffer.concat([
  Buffer.from(`{"pattern_id":"${SECRET}`),
  Buffer.from([0xff, 0xc3]),
  Buffer.from('"}'),
]);
const tooLong = Buffer.from(withData({ error_message: "x".repeat(2 * 1024 * 1024) }));
/** Its head ends within a character. */
const tooLongCut = Buffer.from(`${"é".repeat(HEAD_BYTES / 2 - 1)}xé${"x".repeat(2 * 1024 * 1024)}`);
const digestOf = (line: Buffer) => ({
  length: line.length,
  sha256: createHash("sha256").update(line).digest("hex"),
});

const BAD_LINES: Readonly<Record<string, readonly Bad[]>> = {
  invalid_json: [
    { line: SECRET },
    { line: `{"pattern_id":"${SECRET}"` },
    { line: `{"pattern_id":"${SECRET}\0"}` },
    { line: `${taskLine()} {}` },
    { line: `\ufeff${taskLine()}` },
    { line: taskLine().replace('"success":true', '"success":NaN') },
  ],
  invalid_utf8: [
    { line: notUtf8, kept: { line_base64: notUtf8.toString("base64") } },
    { line: Buffer.from(taskLine(), "utf16le"), kept: { line_base64: expect.any(String) } },
  ],
  line_too_long: [
    {
      line: tooLong,
      says: { message: expect.stringContaining(`got ${tooLong.length}`) },
      kept: { line: tooLong.toString("utf8", 0, HEAD_BYTES), ...digestOf(tooLong) },
    },
    {
      line: tooLongCut,
      kept: { line_base64: tooLongCut.toString("base64", 0, HEAD_BYTES), ...digestOf(tooLongCut) },
    },
  ],
  too_deep: [
    { line: nested(101) },
    { line: nested(10_000) },
    { line: `${"[".repeat(10_000)}${"]".repeat(10_000)}` },
    { line: `${'{"a":'.repeat(10_000)}1${"}".repeat(10_000)}` },
  ],
  not_an_object: ["7", "null", `"${SECRET}"`, "true", "[]", `[${taskLine()}]`].map((line) => ({ line })),
  missing_field: [
    { line: "{}", says: { path: "pattern_type", message: expect.any(String) } },
    { line: without("pattern_type"), says: saying("pattern_type", /string/) },
    { line: without("pattern_id"), says: { path: "pattern_id", message: expect.any(String) } },
    { line: without("timestamp"), says: saying("timestamp", /required/) },
    { line: without("data"), says: saying("data", /required/) },
    { line: withData({ agent: undefined }), says: saying("data.agent", /required/) },
    { line: withData({ agent: undefined, constructor: 1 }), says: saying("data.agent", /required/) },
  ],
  invalid_field: [
    {
      line: withData({ duration_ms: -5 }),
      says: { path: "data.duration_ms", message: "expected an integer >= 0, got -5", pattern_id: "x" },
    },
    { line: withData({ duration_ms: 0.5 }), says: saying("data.duration_ms", /integer/) },
    { line: withData({ duration_ms: true }), says: saying("data.duration_ms", /integer/) },
    { line: withData({ duration_ms: 2 ** 53 }), says: saying("data.duration_ms", /integer/) },
    { line: withData({ success: null }), says: saying("data.success", /true or false/) },
    { line: task({ pattern_type: 7 }), says: saying("pattern_type", /string/) },
    { line: task({ data: [] }), says: saying("data", /object/) },
    { line: task({ timestamp: "2026-02-30" }), says: saying("timestamp", /real date/) },
    { line: task({ timestamp: "2261-01-01" }), says: saying("timestamp", /24 hours/) },
    { line: task({ context: { tags: [`${SECRET}\ud800`] } }), says: saying("context.tags.0", /surrogates/) },
    { line: task({ context: { tags: ["a", "\0"] } }), says: saying("context.tags.1", /NUL/) },
    { line: task({ context: { environment: SECRET } }), says: saying("context.environment", /staging/) },
    {
      line: task({ pattern_id: "\udc00x" }),
      says: { path: "pattern_id", message: expect.stringMatching(/surrogates/), pattern_id: "\ufffdx" },
    },
    {
      line: task({ pattern_id: "x\0" }),
      says: { path: "pattern_id", message: expect.stringMatching(/NUL/), pattern_id: "x\0" },
    },
    {
      line: task({ pattern_id: "" }),
      says: { path: "pattern_id", message: expect.stringMatching(/1 to 256/), pattern_id: "" },
    },
    {
      line: task({ pattern_id: "é".repeat(257) }),
      says: { path: "pattern_id", message: expect.stringMatching(/1 to 256/), pattern_id: "é".repeat(256) },
    },
  ],
  unknown_pattern_type: ["", "nope", "constructor", "__proto__", "toString", "Task_completion"].map(
    (type) => ({
      line: task({ pattern_type: type }),
      says: saying("pattern_type", /expected one of task_completion,/),
    }),
  ),
};

/** Everything in the folder of rejected lines, which has one file a UTC day. */
function keptIn(home: Home): Record<string, unknown>[] {
  const folder = join(home.state, "rejected");
  return readdirSync(folder).flatMap((file) => {
    expect(file).toMatch(/^\d{4}-\d\d-\d\d\.ndjson$/);
    const records = readFileSync(join(folder, file), "utf8").split("\n").slice(0, -1);
    return records.map((record) => {
      const { time, ...kept } = JSON.parse(record);
      expect(time).toMatch(new RegExp(`^${file.slice(0, 10)}T.*Z$`));
      return kept;
    });
  });
}

async function expectStored(daemon: Daemon, good: readonly string[]): Promise<void> {
  for (const line of good) {
    expect(await askPattern(daemon.sockets.query, JSON.parse(line).pattern_id)).toBe(line);
  }
}

/** Between two good lines, both of which must be stored. */
async function sendBetween(daemon: Daemon, bad: string | Uint8Array): Promise<Replies> {
  const [before, after] = [taskLine({ task: SECRET }), taskLine({ task: SECRET })];
  const replies = await send(daemon.sockets.ingest, [lines(before, bad, after)]);
  expect(replies.receipt).toEqual({ lines: 3, stored: 2, rejected: 1, not_collected: 0 });
  await expectStored(daemon, [before, after]);
  return replies;
}

/** Counted in /health, and after the stop in the log, without a word of what was sent. */
async function expectCounted(daemon: Daemon, counts: Readonly<Record<string, number>>): Promise<void> {
  expect((await askHealth(daemon.sockets.query)).lines.rejected_by_code).toEqual(counts);
  await daemon.event("pattern.rejected");
  expect(await daemon.stop()).toBe(0);
  const logged: Record<string, number> = {};
  for (const line of daemon.log.filter(({ event }) => event === "pattern.rejected")) {
    for (const [code, count] of Object.entries(line.counts ?? {})) logged[code] = (logged[code] ?? 0) + count;
  }
  expect(logged).toEqual(counts);
  expect(JSON.stringify(daemon.log)).not.toContain(SECRET);
}

describe.each(BACKENDS)("%s", (backend) => {
  test.each(Object.entries(BAD_LINES))("%s", async (code, bad) => {
    const home = new Home();
    const daemon = await home.start({ backend });
    const kept: object[] = [];
    for (const { line, says = { message: expect.any(String) }, kept: keeps } of bad) {
      const { rejects } = await sendBetween(daemon, line);
      expect(rejects).toEqual([{ line: 2, code, ...says }]);
      kept.push({ code, ...says, ...(keeps ?? { line: Buffer.from(line).toString("utf8") }) });
    }
    expect(keptIn(home)).toEqual(kept);
    await expectCounted(daemon, { [code]: bad.length });
  });

  test("incomplete_line: only what does not parse without its newline", async () => {
    const home = new Home();
    const daemon = await home.start({ backend });
    const [before, last] = [taskLine(), taskLine({ task: SECRET })];
    const whole = await send(daemon.sockets.ingest, [lines(before), last]);
    expect(whole.receipt).toEqual({ lines: 2, stored: 2, rejected: 0, not_collected: 0 });
    await expectStored(daemon, [before, last]);

    const tail = `{"pattern_id":"${SECRET}`;
    const torn = await send(daemon.sockets.ingest, [lines(before), tail]);
    expect(torn.rejects).toEqual([{ line: 2, code: "incomplete_line", message: expect.any(String) }]);
    const cutCharacter = Buffer.from(`${tail}é`).subarray(0, -1);
    const torn2 = await send(daemon.sockets.ingest, [cutCharacter]);
    expect(torn2.rejects).toEqual([{ line: 1, code: "incomplete_line", message: expect.any(String) }]);
    const invalid = await send(daemon.sockets.ingest, ["{}"]);
    expect(invalid.rejects).toMatchObject([{ line: 1, code: "missing_field" }]);
    expect(keptIn(home)).toMatchObject([
      { code: "incomplete_line", line: tail },
      { code: "incomplete_line", line_base64: cutCharacter.toString("base64") },
      { code: "missing_field", line: "{}" },
    ]);
    await expectCounted(daemon, { incomplete_line: 2, missing_field: 1 });
  });

  test("overloaded: a line for which the shared budget of unfinished lines has no room", async () => {
    const home = new Home();
    const daemon = await home.start({ backend, config: { ingest: { unfinishedBytes: 100_000 } } });
    const big = withData({ error_message: "x".repeat(500_000) });
    for (let round = 0; round < 3; round += 1) {
      const { rejects } = await sendBetween(daemon, big);
      expect(rejects).toMatchObject([{ line: 2, code: "overloaded" }]);
    }
    for (const kept of keptIn(home)) {
      expect(kept).toMatchObject({ code: "overloaded", ...digestOf(Buffer.from(big)) });
      expect(big.startsWith(String(kept.line))).toBe(true);
    }
    await expectCounted(daemon, { overloaded: 3 });
  });

  test("not_storable: found among its batch", async () => {
    const home = new Home();
    const daemon = await home.start({ backend });
    const refused = taskLine({ id: "refused", timestamp: "2026-03-04T12:00:00Z", task: SECRET });
    refuse(backend, home);
    const good = taskLines(50);
    const content = lines(...good.slice(0, 25), refused, ...good.slice(25));
    const { receipt, rejects } = await send(daemon.sockets.ingest, [content]);
    expect(receipt).toEqual({ lines: 51, stored: 50, rejected: 1, not_collected: 0 });
    const says = { code: "not_storable", message: expect.any(String), pattern_id: "refused" };
    expect(rejects).toEqual([{ line: 26, ...says }]);
    await expectStored(daemon, good);
    expect(await askPattern(daemon.sockets.query, "refused")).toBeUndefined();
    expect(keptIn(home)).toEqual([{ ...says, line: refused }]);
    await expectCounted(daemon, { not_storable: 1 });
  });
});

/** Makes the running daemon's store refuse the pattern `refused` of 2026-03-04. */
function refuse(backend: BackendKind, home: Home): void {
  const store = join(home.state, "patterns");
  if (backend === "filesystem") {
    mkdirSync(join(store, "2026/03/04/task_completion.ndjson"), { recursive: true });
    return;
  }
  const database = new Database(`${store}.db`);
  database.exec(`CREATE TRIGGER refuse BEFORE INSERT ON patterns WHEN NEW.pattern_id = 'refused'
    BEGIN SELECT RAISE(ABORT, 'refused by a trigger'); END`);
  database.close();
}

/** A user's program: every call, with the types that a strict compiler sees. Run by ../package.test.ts. */
import assert from "node:assert/strict";
import {
  type AgentUsageData,
  type DeclaredTypes,
  type ErrorOccurrenceData,
  type Issue,
  type Outcome,
  type Pattern,
  type PatternContext,
  PatterndError,
  PatternError,
  PatternSchema,
  PatternStorage,
  PatternType,
  type QueryOptions,
  type StorageOptions,
  type TaskCompletionData,
  type UserCorrectionData,
} from "patternd";
import { type Emission, PatternClient, type PatternClientOptions } from "patternd/client";

const task: TaskCompletionData = { task_type: "t", agent: "a", duration_ms: 1, success: true, own: [1] };
const failure: ErrorOccurrenceData = { error_type: "TypeError", error_message: "m", line_number: null };
const usage: AgentUsageData = {
  agent_type: "a",
  task_type: "t",
  success: true,
  duration_ms: 0,
  tools_used: ["x"],
};
const correction: UserCorrectionData = {
  original_output: "o",
  corrected_output: "c",
  correction_type: "naming",
  agent: "a",
  severity: "minor",
};
const context: PatternContext = { tags: ["backend"], environment: "staging", metadata: { any: 1 } };
const timestamp = "2026-05-01T10:00:00Z";
const patterns: Pattern[] = [
  { pattern_id: "1", pattern_type: PatternType.TASK_COMPLETION, timestamp, data: task, context },
  { pattern_id: "2", pattern_type: PatternType.ERROR_OCCURRENCE, timestamp, data: failure, context: null },
  { pattern_id: "3", pattern_type: PatternType.AGENT_USAGE, timestamp, data: usage, version: "2.0" },
  { pattern_id: "4", pattern_type: PatternType.USER_CORRECTION, timestamp, data: correction, own: {} },
];

// @ts-expect-error: data of another type
export const mixed: Pattern = { pattern_id: "5", pattern_type: "agent_usage", timestamp, data: correction };
// @ts-expect-error: not a type that was declared
export const unknown: Pattern = { pattern_id: "5", pattern_type: "nap", timestamp, data: {} };
// @ts-expect-error: not an option
export const option: QueryOptions = { type: "agent_usage" };

function said(pattern: Pattern): string | number | boolean {
  switch (pattern.pattern_type) {
    case PatternType.TASK_COMPLETION:
      return pattern.data.duration_ms;
    case PatternType.ERROR_OCCURRENCE:
      return pattern.data.error_type;
    case PatternType.AGENT_USAGE:
      return pattern.data.success;
    case PatternType.USER_CORRECTION:
      return pattern.data.severity ?? "none";
  }
}

async function all<T>(values: AsyncIterable<T>): Promise<T[]> {
  const list: T[] = [];
  for await (const value of values) list.push(value);
  return list;
}

async function use(options: StorageOptions): Promise<void> {
  const storage = await PatternStorage.open(options);
  const [first, ...others] = patterns;
  assert(first);
  const outcome: Outcome = await storage.save(first);
  assert.equal(outcome, "stored");
  assert.deepEqual(await storage.saveMany(others), ["stored", "stored", "stored"]);
  const lines = patterns.map((pattern) => JSON.stringify(pattern));
  assert.equal(await storage.saveLine(`${lines[0]}\n`), "superseded");
  assert.deepEqual(await storage.load("1"), first);
  assert.equal(await storage.load("none"), undefined);
  assert.equal(await storage.loadLine("2"), lines[1]);
  assert.deepEqual((await storage.query()).map(said), [1, "TypeError", true, "minor"]);
  assert.deepEqual(await storage.queryLines({ tags: ["backend"], startDate: new Date(timestamp) }), [
    lines[0],
  ]);
  const page = await storage.queryPage({ limit: 3 });
  assert.deepEqual(page.patterns, patterns.slice(0, 3));
  assert.deepEqual((await storage.queryPage({ cursor: page.cursor })).patterns, patterns.slice(3));
  assert.deepEqual(await all(storage.iterate({ success: true })), [patterns[0], patterns[2]]);
  assert.deepEqual(await all(storage.iterateLines()), lines);

  const wrong: Pattern = {
    pattern_id: "5",
    pattern_type: "task_completion",
    timestamp,
    data: { ...task, duration_ms: -1 },
  };
  await assert.rejects(storage.save(wrong), (error) => {
    assert(error instanceof PatternError && error.code === "invalid_field");
    return error.path === "data.duration_ms";
  });
  await assert.rejects(PatternStorage.open(options), (error) => {
    assert(error instanceof PatterndError && error.hint !== "");
    return error.code === "store_locked";
  });
  {
    await using reader = await PatternStorage.open({ ...options, readOnly: true });
    assert.deepEqual(await reader.queryLines(), lines);
  }
  const gone: number = await storage.deleteOldPatterns({ retentionDays: 36_500 });
  const smaller: number = await storage.compressOldFiles({ afterDays: 36_500 });
  assert.deepEqual([gone, smaller, await storage.queryLines()], [0, 0, lines]);
  await assert.rejects(storage.deleteOldPatterns({ retentionDays: 0 }), { code: "bad_request" });
  await storage.close();
  await storage.close();
}

async function declare(): Promise<void> {
  const types = {
    review: {
      required: {
        by: "string",
        findings: "integer",
        score: "number",
        ok: "boolean",
        files: "list",
        of: "object",
      },
    },
  } as const;
  const data = { by: "ada", findings: 1, score: 0.5, ok: true, files: [], of: {} };
  const storage = await PatternStorage.open({ path: "declared", durability: "os", timezone: "UTC", types });
  await storage.save({ pattern_id: "1", pattern_type: "review", timestamp, data });
  // @ts-expect-error: findings are missing
  const lacking = storage.save({ pattern_id: "2", pattern_type: "review", timestamp, data: { by: "ada" } });
  await assert.rejects(lacking, { name: "PatternError", code: "missing_field" });
  const [review] = await storage.query();
  assert(review?.pattern_type === "review");
  assert.equal(review.data.by.length + review.data.findings + review.data.files.length, 4);
  await storage.close();

  const schema = PatternSchema.withTypes(types);
  const value: unknown = review;
  assert(schema.validatePattern(value) && value.pattern_type === "review");
  assert.equal(value.data.score + 0.5, 1);
}

/** Whatever is declared, wherever: the form that all patterns have. */
async function readAnything(): Promise<void> {
  const storage = await PatternStorage.open<DeclaredTypes>({ path: "declared", readOnly: true });
  const [review] = await storage.query();
  assert(review);
  const { pattern_type: type, data } = review;
  // @ts-expect-error: nothing is known of what is not declared
  const findings: number = data.findings;
  assert.deepEqual([type, findings], ["review", 1]);
  await storage.close();
}

function check(): void {
  const value: unknown = JSON.parse(JSON.stringify(patterns[0]));
  assert(PatternSchema.validatePattern(value));
  assert.equal(said(value), 1);
  const checks: unknown[] = [task, failure, usage, correction, context];
  const [first, second, third, fourth, fifth] = checks;
  assert(PatternSchema.validateTaskCompletion(first) && first.duration_ms === 1);
  assert(PatternSchema.validateErrorOccurrence(second) && second.error_type === "TypeError");
  assert(PatternSchema.validateAgentUsage(third) && third.tools_used?.length === 1);
  assert(PatternSchema.validateUserCorrection(fourth) && fourth.severity === "minor");
  assert(PatternSchema.validateContext(fifth) && fifth.tags?.[0] === "backend");
  assert(!PatternSchema.validateContext({ tags: [1] }));
  const issues: Issue[] = PatternSchema.issues({ pattern_type: "nap", timestamp: 1, data: {} });
  assert.deepEqual(
    issues.map(({ code, path }) => [code, path]),
    [
      ["unknown_pattern_type", "pattern_type"],
      ["missing_field", "pattern_id"],
      ["invalid_field", "timestamp"],
    ],
  );
}

async function emit(): Promise<void> {
  const options: PatternClientOptions = { outbox: "outbox", socket: "nobody.sock", context };
  const client = new PatternClient(options);
  const finished: Emission<"task_completion"> = { pattern_type: "task_completion", data: task };
  client.emit(finished);
  client.emit({ pattern_type: "review", data: { findings: 1 }, timestamp: new Date(), pattern_id: "r" });
  // @ts-expect-error: a built-in type has its own fields
  client.emit({ pattern_type: "task_completion", data: { findings: 1 } });
  assert.equal(await client.flush(10), true);
  const { emitted, left, dropped } = client.counts;
  assert.deepEqual([emitted, left, dropped, await client.close()], [3, 3, 0, true]);
}

await use({ path: "files" });
await use({ backend: "sqlite", path: "database" });
await declare();
await readAnything();
check();
await emit();
console.log("done");

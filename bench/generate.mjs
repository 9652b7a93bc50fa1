/** Patterns as agents write them: about 500 bytes a line, the four types in turn, two tags each. */
import { createWriteStream } from "node:fs";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { Random } from "./random.mjs";

const SEED = 20_260_105;
/** Fixed, and not the last hours before now: else two runs would not send the same bytes. */
const FIRST_TIMESTAMP_MS = Date.UTC(2026, 0, 5, 8);
const SPAN_MS = 6 * 60 * 60 * 1000;
const NO_RARE_TAGS = { rareTags: 0, rareTagPatterns: 0 };
const LINES_PER_CHUNK = 2_000;

export const AREAS = ["backend", "frontend", "database", "deployment", "testing"];
const TOPICS = Array.from({ length: 50 }, (_, index) => `topic-${index + 1}`);
const PROJECTS = ["shop", "billing", "search", "mobile-app"];
const HOSTS = ["build-01", "build-02", "laptop"];
export const AGENTS = ["backend-expert", "frontend-expert", "test-writer", "debugger", "reviewer", "planner"];
const SESSIONS = Array.from({ length: 200 }, (_, index) => `session-${index + 1}`);

/** Each gives the `data` of one type. */
const DATA = {
  task_completion: (/** @type {Random} */ random) => ({
    task_type: "api_implementation",
    agent: random.pick(AGENTS),
    duration_ms: random.below(900_000),
    success: random.below(10) > 0,
    files_created: random.below(8),
    files_modified: random.below(20),
    tests_passed: random.below(120),
    tests_failed: random.below(3),
    coverage_percent: random.below(1000) / 10,
  }),
  error_occurrence: (/** @type {Random} */ random) => ({
    error_type: random.pick(["TypeError", "TimeoutError", "ValidationError"]),
    error_message: `Cannot read properties of undefined (reading 'field${random.below(1000)}')`,
    file_path: `src/services/orders/order-${random.below(500)}.ts`,
    function_name: "applyDiscount",
    line_number: random.below(900) + 1,
    auto_resolved: random.below(2) === 0,
  }),
  agent_usage: (/** @type {Random} */ random) => ({
    agent_type: random.pick(AGENTS),
    task_type: "code_review",
    success: random.below(12) > 0,
    duration_ms: random.below(300_000),
    tools_used: ["read", "grep", random.pick(["edit", "bash", "write"])],
    files_accessed: random.below(40),
    api_calls: random.below(60),
    tokens_used: random.below(200_000),
  }),
  user_correction: (/** @type {Random} */ random) => ({
    original_output: `const total = items.reduce((sum, item) => sum + item.price, ${random.below(100)})`,
    corrected_output: "const total = sumOf(items, (item) => item.price * item.quantity)",
    correction_type: "logic_error",
    agent: random.pick(AGENTS),
    severity: random.pick(["minor", "moderate", "critical"]),
  }),
};
const TYPES = Object.entries(DATA);
export const TYPE_NAMES = Object.keys(DATA);

/**
 * @typedef {object} Spread
 * @property {number} firstMs milliseconds since the epoch
 * @property {number} spanMs the patterns lie evenly in it; 0 gives all of them one timestamp
 * @property {number} rareTags how many tags are on few patterns: `rare-1`, `rare-2`, ...
 * @property {number} rareTagPatterns on how many each of them is
 */

/**
 * Writes `lines` patterns to `file` as NDJSON; the same ones whenever it is called with the same numbers.
 *
 * @param {string} file
 * @param {number} lines
 * @param {AbortSignal} signal
 * @param {Partial<Spread>} [spread] six hours without rare tags if not said
 */
export async function generatePatterns(file, lines, signal, spread) {
  const all = { firstMs: FIRST_TIMESTAMP_MS, spanMs: SPAN_MS, ...NO_RARE_TAGS, ...spread };
  await pipeline(Readable.from(chunks(lines, all)), createWriteStream(file), { signal });
}

/**
 * @param {number} lines
 * @param {Spread} spread
 */
function* chunks(lines, spread) {
  const random = new Random(SEED);
  for (let first = 0; first < lines; first += LINES_PER_CHUNK) {
    let chunk = "";
    for (let index = first; index < Math.min(first + LINES_PER_CHUNK, lines); index += 1) {
      chunk += `${JSON.stringify(pattern(random, index, lines, spread))}\n`;
    }
    yield Buffer.from(chunk);
  }
}

/**
 * @param {number} index
 * @param {number} lines
 * @param {Spread} spread
 * @returns {string[]} the rare tags in turn, evenly spread over all patterns
 */
function rareTagsOf(index, lines, { rareTags, rareTagPatterns }) {
  const step = Math.floor(lines / (rareTags * rareTagPatterns));
  const number = Math.floor(index / step);
  return index % step === 0 && number < rareTags * rareTagPatterns ? [`rare-${(number % rareTags) + 1}`] : [];
}

/**
 * @param {Random} random
 * @param {number} index
 * @param {number} lines
 * @param {Spread} spread
 */
function pattern(random, index, lines, spread) {
  const [type, data] = TYPES[index % TYPES.length];
  const project = random.pick(PROJECTS);
  return {
    pattern_id: random.uuidV4(),
    pattern_type: type,
    timestamp: new Date(spread.firstMs + Math.floor((index / lines) * spread.spanMs)).toISOString(),
    data: data(random),
    context: {
      project_name: project,
      session_id: random.pick(SESSIONS),
      host: random.pick(HOSTS),
      agent: random.pick(AGENTS),
      git_branch: `feature/${project}-${random.below(400)}`,
      tags: [random.pick(AREAS), random.pick(TOPICS), ...rareTagsOf(index, lines, spread)],
    },
    version: "1.0",
  };
}

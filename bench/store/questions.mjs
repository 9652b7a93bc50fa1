/** What the stores are asked: each question with other arguments at every call, the same ones in every store. */
import { AGENTS, AREAS, TYPE_NAMES } from "../generate.mjs";

/** @typedef {import("../random.mjs").Random} Random */
/** @typedef {import("../../dist/index.js").QueryOptions} QueryOptions */

export const DAYS = 90;
export const FIRST_MS = Date.UTC(2026, 0, 5);
export const DAY_MS = 86_400_000;

/** As many patterns at every size, 0.01 % of a million: else the growth would be that of the answers. */
export const RARE_TAGS = { rareTags: 20, rareTagPatterns: 100 };

/** As many as 10,000 patterns have of a type on one day. */
const DAY_LIMIT = 25;
const RANGE_DAYS = 14;
const NOBODY = "held_by_nobody";

/** @type {Readonly<Record<string, (random: Random) => QueryOptions>>} */
export const QUESTIONS = {
  "newest 100": () => ({}),
  "by type": (random) => ({ patternType: random.pick(TYPE_NAMES) }),
  "by type and day (25)": (random) => ({
    patternType: random.pick(TYPE_NAMES),
    ...range(random, 1),
    limit: DAY_LIMIT,
  }),
  "by rare tag": (random) => ({ tags: [`rare-${random.below(RARE_TAGS.rareTags) + 1}`] }),
  "by common tag, 14 days": (random) => ({ tags: [random.pick(AREAS)], ...range(random, RANGE_DAYS) }),
  "by agent": (random) => ({ agent: random.pick(AGENTS) }),
  "by agent and type": (random) => ({ agent: random.pick(AGENTS), patternType: random.pick(TYPE_NAMES) }),
  "by tag, agent and type": (random) => ({
    tags: [random.pick(AREAS)],
    agent: random.pick(AGENTS),
    patternType: random.pick(TYPE_NAMES),
  }),
  "by agent and rare tag": (random) => ({
    agent: random.pick(AGENTS),
    tags: [`rare-${random.below(RARE_TAGS.rareTags) + 1}`],
  }),
  "a type nobody has": () => ({ patternType: NOBODY }),
  "agent, a type nobody has": (random) => ({ agent: random.pick(AGENTS), patternType: NOBODY }),
  "common tag, an agent nobody has": (random) => ({ tags: [random.pick(AREAS)], agent: NOBODY }),
  "a tag nobody has": () => ({ tags: [NOBODY] }),
  "page at a random depth": (random) => ({ cursor: cursorAt(random) }),
};

/**
 * Whole days in UTC.
 *
 * @param {Random} random
 * @param {number} days
 */
function range(random, days) {
  const start = FIRST_MS + random.below(DAYS - days) * DAY_MS;
  return { startDate: new Date(start), endDate: new Date(start + days * DAY_MS - 1) };
}

/** As dist/store/query.js writes one. @param {Random} random */
function cursorAt(random) {
  const ms = FIRST_MS + DAY_MS + random.below(DAYS - 1) * DAY_MS + random.below(DAY_MS);
  return Buffer.from(`${BigInt(ms) * 1_000_000n}~0`).toString("base64url");
}

/** What is answered about a store as a whole, on the sockets and by the command. */
import * as v from "valibot";
import { writeInstant } from "../pattern/timestamp.ts";
import type { StoreStats } from "./backend.ts";

const count = v.pipe(v.number(), v.safeInteger(), v.minValue(0));

export const statsSchema = v.strictObject({
  patterns: v.pipe(count, v.description("Patterns, each counted once.")),
  by_type: v.pipe(v.record(v.string(), count), v.description("Patterns of each type.")),
  oldest: v.pipe(v.nullable(v.string()), v.description("Instant of the oldest; null in an empty store.")),
  newest: v.pipe(v.nullable(v.string()), v.description("Instant of the newest.")),
  bytes: v.pipe(count, v.description("Bytes on disk, with all that belongs to the store.")),
});
export type StatsAnswer = v.InferOutput<typeof statsSchema>;

export function statsAnswer({ patterns, byType, oldest, newest, bytes }: StoreStats): StatsAnswer {
  const timeOf = (instant: bigint | undefined) => (instant === undefined ? null : writeInstant(instant));
  return { patterns, by_type: byType, oldest: timeOf(oldest), newest: timeOf(newest), bytes };
}

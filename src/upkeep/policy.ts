/** What retention is configured to keep, as cutoffs for a moment. Pure: no clock, no store. */
import type { Census, Exceptions, Share } from "../store/backend.ts";
import { dayOf, startOfDay } from "../store/days.ts";

const MS_NS = 1_000_000n;

export interface RetentionPolicy {
  readonly days: number;
  /** Days of single types, which count instead. */
  readonly byType: Readonly<Record<string, number>>;
  /** Patterns with one of these tags are never deleted. */
  readonly keepTags: readonly string[];
  /** Of what is in use of the store's files; null: no limit. */
  readonly maxBytes: number | null;
}

/** What `Backend.deleteOlderThan` is told. */
export interface Deletion {
  readonly cutoff: bigint;
  readonly exceptions: Exceptions;
}

/**
 * By age. `whole`: in whole UTC days, each of which is over for as long as it is kept; `exact`: to the nanosecond.
 *
 * @param now milliseconds since the epoch.
 */
export function deletionByAge(policy: RetentionPolicy, now: number, cut: "whole" | "exact"): Deletion {
  const instant = BigInt(Math.floor(now)) * MS_NS;
  const before = (days: number) =>
    cut === "exact" ? instant - daysToNanos(days) : startOfDay(dayOf(instant) - Math.ceil(days));
  const byType = Object.entries(policy.byType).map(([type, days]) => [type, before(days)] as const);
  return {
    cutoff: before(policy.days),
    exceptions: { byType: Object.fromEntries(byType), keepTags: policy.keepTags },
  };
}

/**
 * The same deletion with whole days more, oldest first, until what stays is within `maxBytes`; never the present day,
 * nor what is kept for its tags.
 *
 * @param all the census of everything that may go at all.
 */
export function boundedBySize(
  deletion: Deletion,
  policy: RetentionPolicy,
  all: Census,
  now: number,
): Deletion {
  const { maxBytes } = policy;
  if (maxBytes === null) return deletion;
  const { cutoff, exceptions } = deletion;
  const today = dayOf(BigInt(Math.floor(now)) * MS_NS);
  const isOld = ({ day, type }: Share) => startOfDay(day + 1) <= (exceptions.byType?.[type] ?? cutoff);
  let left = all.used - bytesOf(all.shares.filter(isOld));
  let bound: bigint | undefined;
  const young = all.shares.filter((one) => !isOld(one) && one.day < today);
  for (const day of new Set(young.map((one) => one.day))) {
    if (left <= maxBytes) break;
    bound = startOfDay(day + 1);
    left -= bytesOf(young.filter((one) => one.day === day));
  }
  if (bound === undefined) return deletion;
  const from = bound;
  const later = (one: bigint) => (one > from ? one : from);
  const byType = Object.entries(exceptions.byType ?? {}).map(([type, own]) => [type, later(own)] as const);
  return { cutoff: later(cutoff), exceptions: { ...exceptions, byType: Object.fromEntries(byType) } };
}

/** Whether anything is kept for less long than before. */
export function isShorter(policy: RetentionPolicy, before: RetentionPolicy): boolean {
  return (
    policy.days < before.days ||
    ownDays(policy, before).some((type) => daysOf(policy, type) < daysOf(before, type)) ||
    before.keepTags.some((tag) => !policy.keepTags.includes(tag)) ||
    bytesKept(policy) < bytesKept(before)
  );
}

/** What keeps everything for as long as either does. */
export function longerOf(one: RetentionPolicy, other: RetentionPolicy): RetentionPolicy {
  const byType = ownDays(one, other).map(
    (type) => [type, Math.max(daysOf(one, type), daysOf(other, type))] as const,
  );
  return {
    days: Math.max(one.days, other.days),
    byType: Object.fromEntries(byType),
    keepTags: [...new Set([...one.keepTags, ...other.keepTags])],
    maxBytes: bytesKept(one) > bytesKept(other) ? one.maxBytes : other.maxBytes,
  };
}

export function patternsOf(shares: readonly Share[]): number {
  return shares.reduce((sum, { patterns }) => sum + patterns, 0);
}

export function bytesOf(shares: readonly Share[]): number {
  return shares.reduce((sum, { bytes }) => sum + bytes, 0);
}

/** How many patterns of each type. */
export function byTypeOf(shares: readonly Pick<Share, "type" | "patterns">[]): Record<string, number> {
  const counts = new Map<string, number>();
  for (const { type, patterns } of shares) counts.set(type, (counts.get(type) ?? 0) + patterns);
  return Object.fromEntries(counts);
}

/** The types that have days of their own in either. */
function ownDays(one: RetentionPolicy, other: RetentionPolicy): string[] {
  return [...new Set([...Object.keys(one.byType), ...Object.keys(other.byType)])];
}

function daysOf({ days, byType }: RetentionPolicy, type: string): number {
  return byType[type] ?? days;
}

function bytesKept({ maxBytes }: RetentionPolicy): number {
  return maxBytes ?? Number.POSITIVE_INFINITY;
}

function daysToNanos(days: number): bigint {
  return BigInt(Math.round(days * 86_400_000)) * MS_NS;
}

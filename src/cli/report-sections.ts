/** A report as tables, whatever they are drawn with. */
import type { Report } from "../analysis/report-schema.ts";
import { bar, sparkline } from "./chart.ts";
import { durationText, localTime } from "./table.ts";

export interface Section {
  readonly title: string;
  readonly head: readonly string[];
  readonly rows: readonly string[][];
  /** Columns that a narrow terminal does without, the first one first. */
  readonly spare: readonly string[];
}

export interface ChartWidths {
  readonly bar: number;
  readonly sparkline: number;
}

/** One line: which period, how much there is of it, and when. */
export function headline({ period, patterns }: Report, widths: ChartWidths): string {
  const from = period.start === null ? "everything up to" : `${localTime(period.start)} to`;
  const change = trendText(patterns.total, patterns.before);
  const trend = change === "" ? "" : `, ${change} against the period before`;
  const unreadable = patterns.unreadable === 0 ? "" : `; ${number(patterns.unreadable)} lines can't be read`;
  const line = sparkline(patterns.timeline, widths.sparkline);
  return `${from} ${localTime(period.end)}: ${number(patterns.total)} patterns${trend}${unreadable}  ${line}`.trimEnd();
}

/** Those that have rows. */
export function sectionsOf(report: Report, widths: ChartWidths): Section[] {
  return [
    agents(report, widths),
    failingTasks(report),
    errorTypes(report, widths),
    errorMessages(report, widths),
    resolutions(report),
    corrections(report, widths),
    tools(report, widths),
  ].filter(({ rows }) => rows.length > 0);
}

function agents({ agents }: Report, widths: ChartWidths): Section {
  return {
    title: "Agents",
    spare: ["before", "corrected", "retries", "uses", "p95"],
    head: [
      "agent",
      "tasks",
      "uses",
      "median",
      "p95",
      "retries",
      "tokens",
      "corrected",
      "before",
      "succeeded",
    ],
    rows: agents.map((each) => [
      each.agent,
      number(each.tasks),
      number(each.uses),
      optional(each.medianMs, durationText),
      optional(each.p95Ms, durationText),
      number(each.retries),
      compact(each.tokens),
      number(each.corrections),
      optional(each.successRateBefore, percent),
      optional(each.successRate, (rate) => `${bar(rate, widths.bar)} ${percent(rate)}`),
    ]),
  };
}

function failingTasks({ tasks }: Report): Section {
  return {
    title: "Tasks that fail",
    spare: ["before", "succeeded", "last failed", "mostly by"],
    head: ["task", "failed", "of", "succeeded", "before", "last failed", "mostly by", "mostly for"],
    rows: tasks
      .filter(({ failed }) => failed > 0)
      .map((each) => [
        each.taskType,
        number(each.failed),
        number(each.tasks + each.uses),
        optional(each.successRate, percent),
        optional(each.successRateBefore, percent),
        optional(each.lastFailed, localTime),
        each.failedMostWith ?? "",
        each.reason ?? "",
      ]),
  };
}

function errorTypes({ errors }: Report, widths: ChartWidths): Section {
  return {
    title: "Errors by type",
    spare: ["first seen", "resolved", "last seen"],
    head: ["type", "count", "trend", "resolved", "first seen", "last seen", "when"],
    rows: errors.types.map((each) => [
      each.errorType,
      number(each.count),
      trendText(each.count, each.before),
      number(each.resolved),
      localTime(each.firstSeen),
      localTime(each.lastSeen),
      sparkline(each.timeline, widths.sparkline),
    ]),
  };
}

function errorMessages({ errors }: Report, widths: ChartWidths): Section {
  return {
    title: "Errors by message",
    spare: ["first seen", "when", "resolved", "last seen"],
    head: ["count", "trend", "resolved", "first seen", "last seen", "when", "message"],
    rows: errors.messages.map((each) => [
      number(each.count),
      trendText(each.count, each.before),
      number(each.resolved),
      localTime(each.firstSeen),
      localTime(each.lastSeen),
      sparkline(each.timeline, Math.ceil(widths.sparkline / 2)),
      `${each.errorType}: ${each.message}`,
    ]),
  };
}

function resolutions({ errors }: Report): Section {
  return {
    title: "Known resolutions",
    spare: ["type"],
    head: ["helped", "type", "what helped", "message"],
    rows: errors.messages.flatMap((each) =>
      each.resolutions.map(({ text, count }) => [number(count), each.errorType, text, each.message]),
    ),
  };
}

function corrections({ corrections: { total, types } }: Report, widths: ChartWidths): Section {
  return {
    title: "Corrections",
    spare: ["unsaid", "minor", "moderate"],
    head: ["type", "count", "trend", "critical", "moderate", "minor", "unsaid", "share"],
    rows: types.map((each) => [
      each.correctionType,
      number(each.count),
      trendText(each.count, each.before),
      number(each.critical),
      number(each.moderate),
      number(each.minor),
      number(each.unsaid),
      bar(each.count / total, widths.bar),
    ]),
  };
}

function tools({ tools }: Report, widths: ChartWidths): Section {
  const most = Math.max(1, ...tools.map(({ uses }) => uses));
  return {
    title: "Tools",
    spare: [],
    head: ["tool", "uses", "in failed ones", ""],
    rows: tools.map(({ tool, uses, failed }) => [
      tool,
      number(uses),
      number(failed),
      bar(uses / most, widths.bar),
    ]),
  };
}

function optional<T>(value: T | null, write: (value: T) => string): string {
  return value === null ? "" : write(value);
}

function trendText(count: number, before: number | null): string {
  if (before === null) return "";
  if (before === 0) return count === 0 ? "" : "new";
  const change = Math.round((count / before - 1) * 100);
  return `${change > 0 ? "+" : ""}${change} %`;
}

function percent(share: number): string {
  return `${(share * 100).toFixed(1)} %`;
}

function number(value: number): string {
  return value.toLocaleString("en-US");
}

const COMPACT = new Intl.NumberFormat("en-US", { notation: "compact", maximumSignificantDigits: 3 });

function compact(value: number): string {
  return COMPACT.format(value);
}

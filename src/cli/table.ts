/** Tables for people; patterns as one: when, what, who, and what happened. */
import Table from "cli-table3";
import { localTimestamp } from "../client/surroundings.ts";
import { isObject } from "../pattern/schema.ts";
import { parseTimestamp } from "../pattern/timestamp.ts";
import { Zone } from "../pattern/zone.ts";
import { isColourful, printable } from "./terminal.ts";

const LEAST_LAST_WIDTH = 24;
const GAP = 2;
const NO_LINES = Object.fromEntries(
  [
    ["top", "top-mid", "top-left", "top-right", "bottom", "bottom-mid", "bottom-left", "bottom-right"],
    ["left", "left-mid", "mid", "mid-mid", "right", "right-mid", "middle"],
  ]
    .flat()
    .map((part) => [part, ""]),
);

/** Patterns as they come: what comes first says how wide the columns are. */
export class PatternTable {
  readonly #width: number;
  #columns: readonly number[] | undefined;

  /** @param width of the terminal, in columns. */
  constructor(width: number) {
    this.#width = width;
  }

  /** Rows, before the first ones the head. */
  add(lines: readonly string[]): string {
    const head = ["time", "type", "id", "agent", "what happened"];
    const rows = lines.map(rowOf);
    const first = this.#columns === undefined;
    this.#columns ??= widthsOf([head, ...rows], this.#width);
    return `${fitted(first ? head : undefined, rows, this.#columns)}\n`;
  }
}

/** Cells in columns, of which the last one takes what is left. Control characters are left out. */
export function layOut(head: readonly string[], cells: readonly string[][], width: number): string {
  const rows = cells.map((row) => row.map(printable));
  return fitted(head, rows, widthsOf([head, ...rows], width));
}

function widthsOf([head = [], ...rows]: readonly (readonly string[])[], width: number): number[] {
  const used = columnWidths(head, rows);
  return [...used, Math.max(LEAST_LAST_WIDTH, width - used.reduce((sum, columns) => sum + columns, 0))];
}

function fitted(head: readonly string[] | undefined, rows: string[][], colWidths: readonly number[]): string {
  const table = new Table({
    ...(head ? { head: [...head] } : {}),
    chars: NO_LINES,
    colWidths: [...colWidths],
    style: { "padding-left": 0, "padding-right": GAP, head: isColourful() ? ["bold"] : [], border: [] },
  });
  table.push(...rows);
  return table.toString();
}

/** What a table needs at least. */
export function leastWidth(head: readonly string[], cells: readonly string[][]): number {
  return columnWidths(head, cells).reduce((sum, columns) => sum + columns, LEAST_LAST_WIDTH);
}

/** Of all columns but the last. */
function columnWidths(head: readonly string[], rows: readonly (readonly string[])[]): number[] {
  return head
    .slice(0, -1)
    .map((_, column) => GAP + Math.max(...[head, ...rows].map((row) => row[column]?.length ?? 0)));
}

function rowOf(line: string): string[] {
  const { time, type, id, agent, what } = describe(line);
  return [time, type, id, agent, what];
}

/** What people want to know of a pattern, each on one line and without control characters. */
export function describe(line: string) {
  const value: unknown = JSON.parse(line);
  const pattern = isObject(value) ? value : {};
  const data = isObject(pattern.data) ? pattern.data : {};
  const context = isObject(pattern.context) ? pattern.context : {};
  const said = (part: unknown) => printable(String(part));
  return {
    time: localTime(said(pattern.timestamp)),
    type: said(pattern.pattern_type),
    id: said(pattern.pattern_id),
    agent: said(data.agent ?? data.agent_type ?? context.agent ?? ""),
    outcome: outcomeOf(pattern.pattern_type, data),
    what: said(summaryOf(pattern.pattern_type, data)),
  };
}

function outcomeOf(type: unknown, data: Record<string, unknown>): "ok" | "failed" | "" {
  if (type === "error_occurrence" || data.success === false) return "failed";
  return data.success === true ? "ok" : "";
}

/** The order is by instant; times of several zones would seem to be without one. */
export function localTime(timestamp: string): string {
  const instant = parseTimestamp(timestamp, Zone.host());
  if (instant === undefined) return timestamp;
  return localTimestamp(new Date(Number(instant / 1_000_000n)))
    .slice(0, 19)
    .replace("T", " ");
}

function summaryOf(type: unknown, data: Record<string, unknown>): string {
  switch (type) {
    case "task_completion":
    case "agent_usage":
      return sentence(
        `${data.task_type} ${data.success ? "done" : "failed"} in ${durationText(data.duration_ms)}`,
        data.error_message,
      );
    case "error_occurrence":
      return sentence(`${data.error_type}`, data.error_message);
    case "user_correction":
      return sentence(`${data.correction_type}`, data.user_feedback ?? data.corrected_output);
    default:
      return JSON.stringify(data);
  }
}

function sentence(what: string, detail: unknown): string {
  return typeof detail === "string" ? `${what}: ${detail}` : what;
}

export function durationText(ms: unknown): string {
  if (typeof ms !== "number") return "?";
  if (ms < 1_000) return `${ms} ms`;
  return ms < 120_000 ? `${(ms / 1_000).toFixed(1)} s` : `${Math.round(ms / 60_000)} min`;
}

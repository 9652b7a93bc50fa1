/** Patterns as CSV (RFC 4180). Cells hold what the pattern holds, and nothing is put before what a spreadsheet may run. */

import { memberText } from "../pattern/json-text.ts";
import { isObject } from "../pattern/schema.ts";

export const CSV_HEADER = "pattern_id,pattern_type,timestamp,data,context,version\r\n";
const STANDARD_VERSION = "1.0";

/** `data` and `context` are JSON, as in the line; `context` may be empty. */
export function csvRow(line: string): string {
  const parsed: unknown = JSON.parse(line);
  const value = isObject(parsed) ? parsed : {};
  const cells = [
    value.pattern_id,
    value.pattern_type,
    value.timestamp,
    memberText(line, "data"),
    memberText(line, "context"),
    value.version ?? STANDARD_VERSION,
  ];
  return `${cells.map(cell).join(",")}\r\n`;
}

function cell(content: unknown): string {
  const text = content === undefined ? "" : String(content);
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}

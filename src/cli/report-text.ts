/** A report for a terminal, and for a file. */
import type { Report } from "../analysis/report-schema.ts";
import { type ChartWidths, headline, type Section, sectionsOf } from "./report-sections.ts";
import { layOut, leastWidth } from "./table.ts";
import { bold, printable } from "./terminal.ts";

const WIDE = 110;
const WIDTHS = { wide: { bar: 12, sparkline: 28 }, narrow: { bar: 6, sparkline: 14 } };

/** @param width of the terminal, in columns. */
export function reportText(report: Report, width: number): string {
  const widths = width >= WIDE ? WIDTHS.wide : WIDTHS.narrow;
  const parts = [headline(report, widths)];
  if (report.recommendations.length > 0) {
    const items = report.recommendations.map(({ text }) => wrapped(`- ${printable(text)}`, width));
    parts.push([bold("Recommendations"), ...items].join("\n"));
  }
  for (const section of sectionsOf(report, widths)) {
    const { title, head, rows } = fitted(section, width);
    parts.push(`${bold(title)}\n${layOut(head, [...rows], width)}`);
  }
  return `${parts.join("\n\n")}\n`;
}

/** Without the columns for which there is no room. */
function fitted(section: Section, width: number): Section {
  const { head, rows, spare } = section;
  const [name] = spare;
  if (name === undefined || leastWidth(head, rows) <= width) return section;
  const column = head.indexOf(name);
  const without = <T>(cells: readonly T[]) => cells.filter((_, index) => index !== column);
  return fitted({ ...section, head: without(head), rows: rows.map(without), spare: spare.slice(1) }, width);
}

export function reportMarkdown(report: Report): string {
  const widths: ChartWidths = WIDTHS.narrow;
  const parts = ["# What the patterns say", escaped(headline(report, widths))];
  if (report.recommendations.length > 0) {
    const items = report.recommendations.map(({ text }, index) => `${index + 1}. ${escaped(text)}`);
    parts.push("## Recommendations", items.join("\n"));
  }
  for (const { title, head, rows } of sectionsOf(report, widths)) {
    const line = (cells: readonly string[]) => `| ${cells.map(escaped).join(" | ")} |`;
    const table = [line(head), `|${" --- |".repeat(head.length)}`, ...rows.map(line)];
    parts.push(`## ${title}`, table.join("\n"));
  }
  return `${parts.join("\n\n")}\n`;
}

/** Text of patterns is anybody's: in a cell it stays text. */
function escaped(text: string): string {
  return printable(text)
    .trim()
    .replace(/[\\`*_[\]|~#]/g, "\\$&")
    .replace(/&/g, "&amp;")
    .replace(/</g, "&lt;");
}

/** At words, with what follows under the first line's text. */
function wrapped(text: string, width: number): string {
  const lines = [""];
  for (const word of text.split(" ")) {
    const last = lines.at(-1) ?? "";
    if (last.length > 2 && last.length + 1 + word.length > width) lines.push(`  ${word}`);
    else lines[lines.length - 1] = last === "" ? word : `${last} ${word}`;
  }
  return lines.join("\n");
}

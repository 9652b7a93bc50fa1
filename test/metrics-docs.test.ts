import { readFileSync } from "node:fs";
import * as v from "valibot";
import { expect, test } from "vitest";
import { METRICS } from "../src/control/metrics.ts";

const docs = (name: string) => readFileSync(new URL(`../docs/${name}`, import.meta.url), "utf8");

/** As they are asked for: a histogram has three series. */
const SERIES = Object.entries(METRICS).flatMap(([name, { kind }]) =>
  kind === "histogram" ? [`${name}_bucket`, `${name}_sum`, `${name}_count`] : [name],
);

/** Everything in an expression that looks like one of ours. */
function namesIn(expression: string): string[] {
  return expression.match(/\b(patternd|process)_[a-z_]+\b/g) ?? [];
}

test("docs/metrics.md lists every metric", () => {
  const rows = Object.entries(METRICS).map(([name, figure]) => {
    const labels = "labels" in figure ? figure.labels.map((label) => `\`${label}\``).join(", ") : "";
    return `| \`${name}\` | ${figure.kind} | ${labels} | ${figure.help} |`;
  });
  expect(docs("metrics.md").match(/^\| `.*$/gm)).toEqual(rows);
});

test("the alert rules ask for metrics that there are", () => {
  const rules = docs("monitoring/alerts.yml");
  const expressions = [...rules.matchAll(/^ +expr: (.+)$/gm)].map(([, expression = ""]) => expression);
  expect(expressions).toHaveLength(rules.match(/- alert:/g)?.length ?? 0);
  for (const expression of expressions) {
    const names = namesIn(expression);
    expect(names, expression).not.toHaveLength(0);
    for (const name of names) expect(SERIES).toContain(name);
  }
});

const dashboardSchema = v.object({
  title: v.literal("patternd"),
  schemaVersion: v.number(),
  panels: v.array(
    v.object({
      id: v.number(),
      title: v.string(),
      type: v.picklist(["timeseries", "stat"]),
      gridPos: v.object({ x: v.number(), y: v.number(), w: v.number(), h: v.number() }),
      targets: v.array(v.object({ expr: v.string(), refId: v.string() })),
    }),
  ),
});

test("the dashboard asks for metrics that there are", () => {
  const { panels } = v.parse(dashboardSchema, JSON.parse(docs("monitoring/dashboard.json")));
  expect(new Set(panels.map(({ id }) => id)).size).toBe(panels.length);
  for (const { expr } of panels.flatMap(({ targets }) => targets)) {
    expect(namesIn(expr), expr).not.toHaveLength(0);
    for (const name of namesIn(expr)) expect(SERIES).toContain(name);
  }
});

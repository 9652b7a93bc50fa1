/** `patternd analyze` and `GET /v1/analysis`: the built command, a real daemon, and the store without one. */
import { spawnSync } from "node:child_process";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import * as v from "valibot";
import { describe, expect, test } from "vitest";
import { reportSchema } from "../src/analysis/report-schema.ts";
import { createWorld, emitSettled, linesOf, MAIN, type World } from "./cli-world.ts";
import { ask } from "./process/client.ts";

const DAY = 86_400_000;
const daysAgo = (days: number) => new Date(Date.now() - days * DAY).toISOString();
const pattern = (id: number, type: string, days: number, data: object) =>
  JSON.stringify({
    pattern_id: String(id),
    pattern_type: type,
    timestamp: daysAgo(days),
    data,
    context: { tags: [`t${id % 2}`] },
  });
const LINES = [
  ...[1, 2, 3].map((id) =>
    pattern(id, "task_completion", id, {
      task_type: "build",
      agent: "ada",
      duration_ms: id,
      success: id > 1,
    }),
  ),
  ...[4, 5, 9].map((id) =>
    pattern(id, "error_occurrence", id, {
      error_type: "TypeError",
      error_message: `a|b <i>${id}</i> \u001b[31m`,
      resolution: "undo",
    }),
  ),
  pattern(400, "agent_usage", 400, { agent_type: "bob", task_type: "build", duration_ms: 4, success: true }),
];

async function stored(backend: "filesystem" | "sqlite") {
  const world = createWorld();
  const config = join(world.folder, "config.json");
  writeFileSync(config, JSON.stringify({ backend }));
  const daemon = await world.start("--config", config);
  await emitSettled(world, ["emit", "--config", config], LINES.map((line) => `${line}\n`).join(""));
  return { world, daemon, config };
}

const reportIn = (text: string) => v.parse(v.strictObject(reportSchema.entries), JSON.parse(text));

describe.each(["filesystem", "sqlite"] as const)("%s", (backend) => {
  test("the daemon and the store without it report the same", async () => {
    const { world, daemon, config } = await stored(backend);
    const analyze = async (...flags: string[]) => {
      const run = await world.run(["analyze", "--config", config, ...flags]);
      expect([run.status, run.stderr.replace(/^patternd: no daemon answers.*\n/, "")]).toEqual([0, ""]);
      return reportIn(run.stdout);
    };
    const questions = [
      [],
      ["--since", "30d"],
      ["--all"],
      ["--all", "--tag", "t1"],
      ["--failed"],
      ["--until", "4d"],
    ];
    const totals = [5, 6, 7, 4, 1, 3];
    const answers = [];
    for (const flags of questions) answers.push(await analyze(...flags));
    expect(answers.map(({ patterns }) => patterns.total)).toEqual(totals);
    expect(answers[0]).toMatchObject({
      before: { end: expect.any(String) },
      errors: {
        total: 2,
        before: 1,
        messages: [{ count: 2, before: 1, resolutions: [{ text: "undo", count: 3 }] }],
      },
      agents: [{ agent: "ada", tasks: 3, failed: 1, medianMs: 2 }],
    });
    expect(answers[2]).toMatchObject({ before: null, period: { start: null } });
    const { status, headers, body } = await ask(
      join(world.folder, "run/patternd/query.sock"),
      "/v1/analysis?tags=t1",
    );
    expect([status, headers["content-type"], reportIn(body).patterns.total]).toEqual([
      200,
      "application/json",
      4,
    ]);
    await daemon.stop();
    for (const [index, flags] of questions.entries()) {
      const { period: _, before: __, patterns, ...rest } = await analyze(...flags);
      const { period: ___, before: ____, patterns: asked, ...others } = answers[index] ?? expect.fail();
      expect([patterns.byType, timeless(rest)]).toEqual([asked.byType, timeless(others)]);
    }
  });
});

/** Time went on between the two: what lies at the border of two parts may be in the other one. */
function timeless(report: object): object {
  return JSON.parse(JSON.stringify(report, (key, value) => (key === "timeline" ? undefined : value)));
}

describe("for people", () => {
  test("as Markdown: tables in which the patterns' text stays text", async () => {
    const { world, config } = await stored("filesystem");
    const { status, stdout } = await world.run(["analyze", "--config", config, "--markdown"]);
    expect(status).toBe(0);
    expect(stdout).toMatch(/^# What the patterns say\n\n.* 5 patterns, \+400 % against the period before/);
    expect(stdout).toContain("## Errors by message\n\n| count | trend |");
    expect(stdout).toContain("TypeError: a\\|b &lt;i>&lt;n>&lt;/i>");
    for (const line of linesOf(stdout).filter((line) => line.startsWith("|"))) {
      expect(line).toMatch(/ \|$|^\|( --- \|)+$/);
    }
    // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what must not be there
    expect(stdout).not.toMatch(/[\u0000-\u0009\u000b-\u001f]/);
  });

  test.skipIf(spawnSync("script", ["--version"]).error !== undefined)(
    "on a terminal: tables that fit it, bold only where it is wanted (needs script)",
    async () => {
      const { world, config } = await stored("filesystem");
      for (const columns of [70, 100, 160]) {
        const plain = onTerminal(world, columns, `NO_COLOR=1 "$NODE" "$MAIN" analyze --config "${config}"`);
        expect(plain).toMatch(/^Agents$/m);
        expect(plain).toMatch(/ada .*█/);
        expect(plain).not.toContain("\u001b");
        expect(
          Math.max(
            ...plain
              .split("\n")
              .slice(1)
              .map((line) => line.trimEnd().length),
          ),
        ).toBeLessThanOrEqual(columns);
      }
      const { NO_COLOR: _, ...env } = world.env;
      expect(onTerminal({ ...world, env }, 100, `"$NODE" "$MAIN" analyze --config "${config}"`)).toContain(
        "\u001b[1m",
      );
    },
  );
});

function onTerminal(world: Pick<World, "env">, columns: number, command: string): string {
  const env = { ...world.env, NODE: process.execPath, MAIN, TERM: "xterm", SHELL: "/bin/sh" };
  const { stdout } = spawnSync("script", ["-qec", `stty cols ${columns}; ${command}`, "/dev/null"], {
    env,
    encoding: "utf8",
  });
  return stdout.replaceAll("\r", "");
}

test("what is wrong is said in a line", async () => {
  const world = createWorld();
  for (const [flags, words] of [
    [["--all", "--since", "7d"], /--all has no --since/],
    [["--json", "--markdown"], /two forms/],
    [["--limit", "7"], /unknown option '--limit'/],
    [["--since", "soon"], /--since: expected/],
    [["--since", "1d", "--until", "5d"], /--until: expected a time after --since \(1d\), got 5d/],
  ] as const) {
    const { status, stderr } = await world.run(["analyze", ...flags]);
    expect([status, stderr]).toEqual([64, expect.stringMatching(words)]);
  }
  expect((await world.run(["analyze"])).status).toBe(1);
  await world.start();
  const socket = join(world.folder, "run/patternd/query.sock");
  for (const parameters of ["limit=1", "cursor=x", "startDate=soon", "tags="]) {
    expect(await ask(socket, `/v1/analysis?${parameters}`)).toMatchObject({ status: 400 });
  }
});

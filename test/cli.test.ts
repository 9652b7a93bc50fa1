import { execFileSync } from "node:child_process";
import { writeFileSync } from "node:fs";
import { connect } from "node:net";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { createWorld, emitSettled, errorLine, linesOf, MAIN, type World } from "./cli-world.ts";

async function emit(world: World, lines: readonly string[]): Promise<void> {
  const { status, stderr } = await emitSettled(world, ["emit"], lines.join("\n"));
  expect([status, stderr]).toEqual([0, ""]);
}

function many(count: number): string[] {
  const at = (i: number) => new Date(Date.UTC(2026, 0, 1) + i * 1000).toISOString();
  return Array.from({ length: count }, (_, i) => errorLine(`id-${i}`, at(i)));
}

test("help and version are answers, no command is wrong usage", async () => {
  const world = createWorld();
  expect((await world.run(["--version"])).stdout).toMatch(/^\d+\.\d+\.\d+\n$/);
  const help = await world.run(["--help"]);
  expect(help.status).toBe(0);
  expect(help.stdout).toContain("check-config");
  expect((await world.run(["emit", "--help"])).stdout).toBe((await world.run(["help", "emit"])).stdout);
  for (const args of [[], ["nonsense"], ["query", "--bogus"], ["get"], ["query", "--limit", "0"]]) {
    const { status, stdout } = await world.run(args);
    expect([args, status, stdout]).toEqual([args, 64, ""]);
  }
  expect((await world.run(["query", "--limit", "abc"])).stderr).toContain("See `patternd query --help`.");
  expect((await world.run(["rejected", "list", "--code", "x"])).stderr).toContain(
    "See `patternd rejected list --help`.",
  );
});

test("a store that does not exist is an error, a daemon that was named and is not there another", async () => {
  const world = createWorld();
  const query = await world.run(["query"]);
  expect([query.status, query.stdout]).toEqual([1, ""]);
  expect(query.stderr).toMatch(/^patternd: there is no store at .*\n.*\n$/);
  for (const args of [["query"], ["get", "x"]]) {
    const { status, stderr } = await world.run([...args, "--socket", join(world.folder, "ingest.sock")]);
    expect(status).toBe(3);
    expect(stderr).toMatch(/^patternd: no daemon answers on .*query\.sock: /);
  }
});

test("the daemon and the store without it answer every filter alike", async () => {
  const world = createWorld();
  const daemon = await world.start();
  const task = (id: string, agent: string, success: boolean) =>
    JSON.stringify({
      pattern_id: id,
      pattern_type: "task_completion",
      timestamp: "2026-01-03T12:00:00Z",
      data: { task_type: "t", agent, duration_ms: 1, success },
      context: { project_name: "shop", session_id: "s1", host: "box", tags: ["a", "b"] },
    });
  const lines = [
    task("t1", "builder", true),
    task("t2", "tester", false),
    errorLine("e1", "2026-01-02T23:30:00Z", { tags: ["a"] }),
    errorLine("e2", "2026-01-01"),
  ];
  await emit(world, lines);
  const cases: [string[], string[]][] = [
    [[], ["t1", "t2", "e1", "e2"]],
    [
      ["--type", "error_occurrence"],
      ["e1", "e2"],
    ],
    [["--since", "2026-01-02", "--until", "2026-01-02"], ["e1"]],
    [
      ["--tag", "a"],
      ["t1", "t2", "e1"],
    ],
    [
      ["--tag", "a", "--tag", "b"],
      ["t1", "t2"],
    ],
    [["--agent", "tester"], ["t2"]],
    [
      ["--project", "p"],
      ["e1", "e2"],
    ],
    [
      ["--session", "s1", "--host", "box"],
      ["t1", "t2"],
    ],
    [["--failed"], ["t2"]],
    [
      ["--where", "data.error_type=TypeError", "--where", "context.host=h"],
      ["e1", "e2"],
    ],
    [
      ["--text", "X IS UNDEF"],
      ["e1", "e2"],
    ],
    [["--limit", "1"], ["t1"]],
    [["--since", "1h"], []],
  ];
  const answers = async () => {
    const all: string[] = [];
    for (const [flags, ids] of cases) {
      const { status, stdout } = await world.run(["query", ...flags]);
      expect(status).toBe(0);
      expect([flags, linesOf(stdout)]).toEqual([
        flags,
        ids.map((id) => lines.find((line) => line.includes(`"${id}"`))),
      ]);
      all.push(stdout);
    }
    return all;
  };
  const asked = await answers();
  expect(await daemon.stop()).toBe(0);
  expect(await answers()).toEqual(asked);
  const { stderr } = await world.run(["query"]);
  expect(stderr).toBe(
    `patternd: no daemon answers; reading filesystem store ${join(world.folder, "state/patternd/patterns")}\n`,
  );
}, 60_000);

test("a date is the asker's, whatever zone the daemon is in", async () => {
  const world = createWorld();
  await world.start();
  const ids = [
    "2026-01-01T10:59:59Z",
    "2026-01-01T11:00:00Z",
    "2026-01-02T10:59:59.999999999Z",
    "2026-01-02T11:00:00Z",
  ];
  await emit(
    world,
    ids.map((time) => errorLine(time, time)),
  );
  const day = ["--since", "2026-01-02", "--until", "2026-01-02"];
  const { stdout } = await world.run(["query", ...day], { env: { TZ: "Pacific/Auckland" } });
  expect(linesOf(stdout)).toEqual([ids[2], ids[1]].map((time) => errorLine(`${time}`, `${time}`)));
  const everything = await world.run(["query", "--since", "1970-01-01"], { env: { TZ: "Pacific/Auckland" } });
  expect(linesOf(everything.stdout)).toHaveLength(4);
});

test("pages follow one another without gap or double, and more than a page can hold is asked for in pages", async () => {
  const world = createWorld();
  await world.start();
  const lines = many(12_000);
  await emit(world, lines);
  const most = await world.run(["query", "--limit", "11000"]);
  const newestFirst = lines.toReversed();
  expect(linesOf(most.stdout)).toEqual(newestFirst.slice(0, 11_000));
  const cursor = /^patternd: more: --cursor (\S+)\n$/.exec(most.stderr)?.[1] ?? "";
  const rest = await world.run(["query", "--limit", "11000", "--cursor", cursor]);
  expect(linesOf(rest.stdout)).toEqual(newestFirst.slice(11_000));
  expect(rest.stderr).toBe("");
  expect((await world.run(["query", "--cursor", "nonsense"])).status).toBe(64);

  // A reader that has seen enough ends the command without a complaint.
  const script = `"$0" "$1" query --limit 12000 | head -n 1 >/dev/null; echo "\${PIPESTATUS[0]}"`;
  const said = execFileSync("bash", ["-c", script, process.execPath, MAIN], {
    env: world.env,
    encoding: "utf8",
  });
  expect(said).toBe("0\n");
}, 60_000);

test("get prints the line as it was received, or says in one line that there is none", async () => {
  const world = createWorld();
  const daemon = await world.start();
  const odd = errorLine("a/b?c=%20 ü#", "2026-01-02").replace('"context"', '  "n": 1.0e+2, "context"');
  await emit(world, [odd]);
  for (let round = 0; round < 2; round += 1) {
    expect((await world.run(["get", "a/b?c=%20 ü#"])).stdout).toBe(`${odd}\n`);
    const missing = await world.run(["get", "nope"]);
    expect([missing.status, missing.stdout]).toEqual([1, ""]);
    expect(missing.stderr).toMatch(
      /^(patternd: no daemon answers; [^\n]+\n)?patternd: there is no pattern "nope"\n$/,
    );
    if (round === 0) await daemon.stop();
  }
});

test("on a terminal there is a table, in which a pattern's text does not drive the terminal", async () => {
  const world = createWorld();
  await world.start();
  const line = JSON.stringify({
    pattern_id: "p1",
    pattern_type: "error_occurrence",
    timestamp: "2026-01-02T03:04:05+01:00",
    data: { error_type: "Boom", error_message: "\u001b]0;owned\u0007 \u009b31m", agent: "builder" },
  });
  await emit(world, [line]);
  const typescript = (command: string) =>
    execFileSync("script", ["-qc", `stty cols 120; ${command}`, "/dev/null"], {
      env: world.env,
      encoding: "utf8",
    });
  const table = typescript(`'${process.execPath}' '${MAIN}' query`);
  expect(table).toMatch(/time .*type .*id .*agent .*what happened/);
  expect(table).toMatch(/2026-01-02 02:04:05 +error_occurrence +p1 +builder +Boom: {2}\]0;owned/);
  expect(table).not.toContain("\u001b]0");
  expect(table).not.toContain("\u009b");
  const nothing = `'${process.execPath}' '${MAIN}' query --tag none`;
  expect(typescript(nothing)).toBe("patternd: no patterns match\r\n");
  expect(typescript(`${nothing} --json`)).toBe("");
  expect((await world.run(["query", "--tag", "none"])).stderr).toBe("");
  const laidOut = typescript(`'${process.execPath}' '${MAIN}' get p1`);
  expect(laidOut).toContain('\r\n  "pattern_type": "error_occurrence",\r\n');
  expect(laidOut).toContain("\\u009b31m");
});

test("validate names file, line, code and field of each fault", async () => {
  const world = createWorld();
  const file = join(world.folder, "some.ndjson");
  const good = errorLine("a", "2026-01-02");
  const config = join(world.folder, "config.json");
  writeFileSync(
    config,
    '{"ingest":{"maxLineBytes":400},"types":{"deploy":{"required":{"target":"string"}}}}',
  );
  const deploy = '{"pattern_id":"d","pattern_type":"deploy","timestamp":"2026-01-02","data":{"target":1}}';
  writeFileSync(file, `${good}\n\n${deploy}\n${good.replace("undefined", "u".repeat(400))}\n${good}\n{"a`);
  const { status, stdout, stderr } = await world.run(["validate", "--config", config, file, "-"], {
    input: good,
  });
  expect([status, stdout]).toEqual([1, ""]);
  expect(linesOf(stderr)).toEqual([
    `${file}:3: invalid_field data.target: expected a string, got 1`,
    expect.stringMatching(/:4: line_too_long: expected at most 400 bytes, got \d+$/),
    `${file}:6: incomplete_line: expected a newline at the end of the last line`,
    "patternd: 6 lines, 3 rejected",
  ]);
  const json = await world.run(["validate", "--json", "--config", config, file]);
  expect(linesOf(json.stdout).map((line) => JSON.parse(line))[0]).toEqual({
    reject: {
      file,
      line: 3,
      code: "invalid_field",
      path: "data.target",
      message: "expected a string, got 1",
      pattern_id: "d",
    },
  });
  expect((await world.run(["validate"], { input: good })).status).toBe(0);
  const missing = await world.run(["validate", join(world.folder, "none")]);
  expect(missing.status).toBe(1);
  expect(missing.stderr).toMatch(/^patternd: .*none can't be read: ENOENT/);
});

test("check-config tells all faults, and prints what it would load again", async () => {
  const world = createWorld();
  const file = join(world.folder, "config.json");
  expect((await world.run(["check-config"])).stdout).toBe("no configuration file, defaults apply: ok\n");
  writeFileSync(file, '{"backend":"sqlite","query":{"mode":"0660"}}');
  expect((await world.run(["check-config", "--config", file])).stdout).toBe(`${file}: ok\n`);
  const effective = (await world.run(["check-config", "--json", "--config", file])).stdout;
  expect(JSON.parse(effective)).toMatchObject({ backend: "sqlite", query: { mode: "0660" } });
  writeFileSync(file, effective);
  expect((await world.run(["check-config", "--json", "--config", file])).stdout).toBe(effective);
  writeFileSync(file, '{"backend":"tape","qeue":{}}');
  const { status, stderr } = await world.run(["check-config", "--config", file]);
  expect(status).toBe(1);
  expect(stderr).toContain("backend: expected filesystem or sqlite");
  expect(stderr).toContain("qeue");
});

test("a signal ends the daemon when all is settled; a second one does not wait", async () => {
  const world = createWorld();
  expect(await (await world.start()).stop()).toBe(0);

  const daemon = await world.start();
  const sender = connect(join(world.folder, "run/patternd/ingest.sock"));
  sender.on("error", () => {});
  // A sender that is never silent, in the middle of a line: the first signal has to wait for it.
  const typing = setInterval(() => sender.write(" "), 5);
  onTestFinished(() => {
    clearInterval(typing);
    sender.destroy();
  });
  await new Promise((resolve) => sender.once("connect", resolve));
  sender.write("{");
  daemon.process.kill("SIGTERM");
  await daemon.logged("daemon.stopping");
  expect(await daemon.stop()).toBe(143);
});

test.each([
  ["import", ""],
  ["backup", ""],
  ["export", "--out", ""],
  ["check-config", "--config", ""],
])("a path that is empty is wrong usage, not the working folder: %s %s", async (...args) => {
  const world = createWorld();
  const { status, stderr, stdout } = await world.run(args);
  expect({ status, stdout }).toEqual({ status: 64, stdout: "" });
  expect(stderr).toMatch(/^patternd: .* is invalid.* Expected a path\.\n$/);
});

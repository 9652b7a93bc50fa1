/** What Claude Code tells its hooks, and what of it becomes a pattern. */
import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { hostname } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { createWorld } from "./cli-world.ts";
import { FIXTURES, repository, run, SCRIPT, SHELLS, taken } from "./shell-emitter.ts";

describe.each(SHELLS)("%s", (shell) => {
  test.each(readdirSync(FIXTURES).filter((name) => name !== "prompt.json"))("hook: %s", async (name) => {
    const world = createWorld();
    repository(world, "shop", "trunk");
    const shop = join(world.folder, "shop/deep");
    const input = readFileSync(new URL(name, FIXTURES), "utf8").replace(
      '"/home/ada/shop"',
      JSON.stringify(shop),
    );
    const { status, stdout, stderr } = run(world, ["--from", "claude-code"], { shell, input });
    expect([status, stdout, stderr]).toEqual([0, "", ""]);
    const line = taken(world.outbox);
    expect(line).not.toContain("SECRET");
    const hook = JSON.parse(input);
    const { duration_ms, agent_type: agent = "claude-code", is_interrupt, tool_name } = hook;
    const measured = duration_ms === undefined ? { duration_ms: 0, duration_known: false } : { duration_ms };
    const pattern = JSON.parse(line);
    expect(pattern.context).toEqual({
      host: hostname(),
      project_name: "shop",
      git_branch: "trunk",
      session_id: hook.session_id,
      agent: "claude-code",
      hook: hook.hook_event_name,
    });
    const success = hook.hook_event_name !== "PostToolUseFailure";
    const isTool = tool_name !== undefined;
    expect(pattern.pattern_type).toBe(isTool ? "agent_usage" : "task_completion");
    expect(pattern.data).toEqual(
      isTool
        ? {
            agent_type: agent,
            task_type: tool_name,
            success,
            tools_used: [tool_name],
            ...measured,
            ...(is_interrupt ? { interrupted: true } : {}),
          }
        : { task_type: hook.hook_event_name === "Stop" ? "turn" : "subagent", agent, success, ...measured },
    );
  });
});

test.each(SHELLS)("%s: null is as good as absent", (shell) => {
  const world = createWorld();
  const hook = { tool_name: null, duration_ms: null, is_interrupt: null, agent_type: null, session_id: null };
  const patternOf = (event: string) => {
    const input = JSON.stringify({ hook_event_name: event, ...hook, cwd: null });
    run(world, ["--from", "claude-code"], { shell, input });
    return JSON.parse(taken(world.outbox));
  };
  const unmeasured = { success: true, duration_ms: 0, duration_known: false };
  const stop = patternOf("Stop");
  expect(stop.data).toEqual({ task_type: "turn", agent: "claude-code", ...unmeasured });
  expect(stop.context).not.toHaveProperty("session_id");
  expect(patternOf("PostToolUse").data).toEqual({
    agent_type: "claude-code",
    task_type: "unknown",
    tools_used: ["unknown"],
    ...unmeasured,
  });
});

/** Any JSON in which the keys that count turn up at the wrong places too. */
const wanted = ["hook_event_name", "tool_name", "session_id", "duration_ms", "cwd", "x"];
const { value } = fc.letrec<{ value: unknown; object: object }>((tie) => ({
  value: fc.oneof(
    { maxDepth: 3 },
    fc.constantFrom(null, true, 12, "", '"', "\\", '\\"', "{", "}:", ",", "a"),
    fc.string({ unit: "binary" }),
    fc.array(tie("value"), { maxLength: 3 }),
    tie("object"),
  ),
  object: fc.dictionary(fc.constantFrom(...wanted, '"', "\\"), tie("value"), { maxKeys: 3 }),
}));

test("what a hook says is read where it stands, whatever stands around it", () => {
  const world = createWorld();
  const spaces = fc.constantFrom(undefined, 1, "\t");
  const entries = fc.shuffledSubarray(
    ["hook_event_name", "tool_name", "session_id", "duration_ms", "tool_input", "more", "x"],
    { minLength: 7 },
  );
  fc.assert(
    fc.property(entries, value, value, fc.nat(1e6), spaces, (keys, input, more, duration, space) => {
      const hook: Record<string, unknown> = {
        hook_event_name: "PostToolUse",
        tool_name: "Read",
        session_id: "s-1",
        duration_ms: duration,
        tool_input: input,
        more,
        x: "",
      };
      const text = JSON.stringify(Object.fromEntries(keys.map((name) => [name, hook[name]])), null, space);
      run(world, ["--from", "claude-code"], { input: text });
      const pattern = JSON.parse(taken(world.outbox));
      expect(pattern.data).toMatchObject({ task_type: "Read", duration_ms: duration, success: true });
      expect(pattern.context.session_id).toBe("s-1");
    }),
    { numRuns: 100 },
  );
}, 60_000);

test("other hooks, and what is no hook's input, leave nothing and fail nothing", () => {
  const world = createWorld();
  const prompt = readFileSync(new URL("prompt.json", FIXTURES));
  for (const input of [prompt, "", "not JSON", "[]", '{"hook_event_name":', "\0\xff"]) {
    expect(run(world, ["--from", "claude-code"], { input }).status).toBe(0);
  }
  expect(existsSync(world.outbox) ? readdirSync(world.outbox) : []).toEqual([]);
});

test("--session and --project take the place of what the hook and git say", () => {
  const world = createWorld();
  const cwd = repository(world, "shop", "trunk");
  const input = JSON.stringify({ hook_event_name: "Stop", session_id: "hook", cwd });
  run(world, ["--from", "claude-code", "--session", "flag", "--project", "mine"], { input });
  const line = taken(world.outbox);
  expect(line.match(/"(session_id|project_name)":"[^"]*"/g)?.sort()).toEqual([
    '"project_name":"mine"',
    '"session_id":"flag"',
  ]);
  expect(JSON.parse(line).context.git_branch).toBe("trunk");
});

test("names in a hook may be written with escapes", () => {
  const world = createWorld();
  mkdirSync(join(world.folder, "öde/.git"), { recursive: true });
  const cwd = `${world.folder}/\\u00f6de`;
  const input = `{"hook_event_name":"Stop","agent_type":"r\\u00e9viseur","session_id":"a\\/b","cwd":"${cwd}"}`;
  run(world, ["--from", "claude-code"], { input });
  const { data, context } = JSON.parse(taken(world.outbox));
  expect(data.agent).toBe("réviseur");
  expect(context).toMatchObject({ session_id: "a/b", project_name: "öde" });
});

test("what stands in a hook's names can't add to the pattern", () => {
  const world = createWorld();
  const input = JSON.stringify({
    hook_event_name: "PostToolUse",
    tool_name: 'x","leak":"y',
    session_id: "s\n",
    cwd: "$(id)",
    duration_ms: -5,
  });
  run(world, ["--from", "claude-code"], { input });
  const pattern = JSON.parse(taken(world.outbox));
  expect(pattern.data).toMatchObject({ task_type: "unknown", duration_ms: 0, duration_known: false });
  expect(pattern.context).not.toHaveProperty("session_id");
});

test("the settings in the docs run on what Claude Code says", () => {
  const world = createWorld();
  const page = readFileSync(new URL("../docs/claude-code.md", import.meta.url), "utf8");
  const { hooks } = JSON.parse(/^```json\n(.*?)^```$/ms.exec(page)?.[1] ?? "");
  const bin = join(world.folder, "bin");
  mkdirSync(bin);
  writeFileSync(join(bin, "patternd-emit"), `#!/bin/sh\nexec sh '${SCRIPT}' "$@"\n`, { mode: 0o700 });
  const fixtures = {
    PostToolUse: "bash.json",
    PostToolUseFailure: "failure.json",
    Stop: "stop.json",
    SubagentStop: "subagent-stop.json",
  };
  expect(Object.keys(hooks)).toEqual(Object.keys(fixtures));
  for (const [event, fixture] of Object.entries(fixtures)) {
    for (const { command, type } of hooks[event].flatMap((entry: { hooks: object[] }) => entry.hooks)) {
      expect(type).toBe("command");
      const ran = spawnSync("sh", ["-c", command], {
        cwd: world.folder,
        env: { ...world.env, PATH: `${bin}:${world.env.PATH}` },
        input: readFileSync(new URL(fixture, FIXTURES)),
        encoding: "utf8",
      });
      expect([ran.status, ran.stdout, ran.stderr]).toEqual([0, "", ""]);
      expect(JSON.parse(taken(world.outbox)).context.hook).toBe(event);
    }
  }
});

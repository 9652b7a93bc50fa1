/** Where the shell's emitter looks for its configuration and leaves patterns: where `patternd emit` does. */
import { copyFileSync, mkdirSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, test } from "vitest";
import { createWorld } from "./cli-world.ts";
import { run, SHELLS, TASK, taken } from "./shell-emitter.ts";

const EXAMPLE = fileURLToPath(new URL("../config.example.json", import.meta.url));

describe.each(SHELLS)("%s", (shell) => {
  test("the example of a configuration, in which null is no path, leaves the outbox where it is", () => {
    const world = createWorld();
    const config = join(world.folder, "config/patternd");
    mkdirSync(config, { recursive: true });
    copyFileSync(EXAMPLE, join(config, "config.json"));
    expect(run(world, TASK, { shell }).stderr).toBe("");
    expect(JSON.parse(taken(world.outbox)).pattern_type).toBe("agent_usage");
  });
});

/** Every block of docs/from-moai-flow.md, each language as one script, beside a daemon. */
import { spawnSync } from "node:child_process";
import { mkdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, test } from "vitest";
import { createWorld, linesOf, MAIN } from "./cli-world.ts";

const PAGE = readFileSync(new URL("../docs/from-moai-flow.md", import.meta.url), "utf8");
const isInstalled = (program: string) => spawnSync(program, ["--version"]).error === undefined;
/** Whether this daemon deletes and compresses on demand. */
const hasUpkeep = spawnSync(process.execPath, [MAIN, "--help"]).stdout.includes("delete-old");

function blocksOf(language: string): string {
  const blocks = PAGE.matchAll(/^```(\w+)( upkeep)?\n(.*?)^```$/gms);
  return [...blocks]
    .flatMap(([, name, upkeep, code = ""]) => (name === language && (hasUpkeep || !upkeep) ? code : []))
    .join("\n");
}

/** What a script says that it prints. */
function printedBy(script: string, mark: RegExp): string[] {
  return [...script.matchAll(mark)].flatMap(([, words]) => words ?? []);
}

const LANGUAGES = [
  { language: "sh", needs: "jq", file: "script.sh", run: ["sh"], mark: /^(?!#).* # (.*)$/gm },
  {
    language: "ts",
    needs: "node",
    file: "program.mjs",
    run: [process.execPath],
    mark: /console\.log\(.*\/\/ (.*)$/gm,
  },
  {
    language: "python",
    needs: "python3",
    file: "program.py",
    run: ["python3"],
    mark: /print\(.* {2}# (.*)$/gm,
  },
] as const;

describe.each(["filesystem", "sqlite"])("%s", (backend) => {
  for (const { language, needs, file, run, mark } of LANGUAGES) {
    test.skipIf(!isInstalled(needs))(`${language} does what the page says (needs ${needs})`, async () => {
      const world = createWorld();
      const config = join(world.folder, "config.json");
      writeFileSync(config, JSON.stringify({ backend }));
      const bin = join(world.folder, "bin");
      mkdirSync(join(world.folder, "node_modules"));
      mkdirSync(bin);
      writeFileSync(join(bin, "patternd"), `#!/bin/sh\nexec "${process.execPath}" "${MAIN}" "$@"\n`, {
        mode: 0o755,
      });
      symlinkSync(fileURLToPath(new URL("..", import.meta.url)), join(world.folder, "node_modules/patternd"));
      await world.start("--config", config);
      // The types are checked in the package's test; without them it is JavaScript.
      const script = blocksOf(language).replace("type Pattern, ", "").replace(": Pattern =", " =");
      writeFileSync(join(world.folder, file), script);
      const [program, ...args] = run;
      const env = { ...world.env, PATH: `${bin}:${world.env.PATH}`, PATTERND_CONFIG: config };
      const ran = spawnSync(program, [...args, file], { cwd: world.folder, env, encoding: "utf8" });
      const wanted = printedBy(script, mark);
      expect(wanted.length).toBeGreaterThan(5);
      expect([ran.status, linesOf(ran.stdout)]).toEqual([0, wanted]);
    });
  }
});

test("every language has its form of each call", () => {
  for (const section of PAGE.split(/^## /m).slice(2, -1)) {
    const languages = [...section.matchAll(/^```(\w+)/gm)].map(([, language]) => language);
    expect([section.split("\n", 1)[0], [...new Set(languages)].sort()]).toEqual([
      expect.any(String),
      ["python", "sh", "ts"],
    ]);
  }
});

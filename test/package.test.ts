/** The package as its users meet it: packed, unpacked into an empty project, compiled against and run. */
import { execFileSync, spawnSync } from "node:child_process";
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import * as v from "valibot";
import { afterAll, beforeAll, describe, expect, test } from "vitest";

const ROOT = fileURLToPath(new URL("../", import.meta.url));
const folder = mkdtempSync(join(tmpdir(), "patternd-package-"));
const modules = join(folder, "node_modules");
const installed = join(modules, "patternd");
const PAGES = [
  { page: "README.md", name: "readme" },
  { page: "docs/library.md", name: "library" },
];
/** Its examples need a daemon: from-moai-flow.test.ts runs them. */
const COMPILED = [...PAGES, { page: "docs/from-moai-flow.md", name: "from-moai-flow" }];
let compiled: string;

const names = v.record(v.string(), v.string());
const manifest = v.parse(
  v.object({
    version: v.string(),
    bin: v.object({ patternd: v.string(), "patternd-emit": v.string() }),
    dependencies: names,
    optionalDependencies: names,
  }),
  JSON.parse(readFileSync(join(ROOT, "package.json"), "utf8")),
);

/** What `tsc --init` asks for at least, and what a library must not get wrong for its users to see. */
const TSCONFIG = {
  compilerOptions: {
    strict: true,
    target: "es2022",
    module: "nodenext",
    lib: ["es2022", "esnext.disposable"],
    exactOptionalPropertyTypes: true,
    noUncheckedIndexedAccess: true,
    resolveJsonModule: true,
    skipLibCheck: false,
    types: ["node"],
  },
};

/** Only what the package says that it needs, and what every TypeScript project for Node.js has. */
function install(name: string): void {
  const place = join(modules, name);
  mkdirSync(dirname(place), { recursive: true });
  symlinkSync(join(ROOT, "node_modules", name), place);
}

beforeAll(() => {
  const arguments_ = ["pack", "--ignore-scripts", "--silent", "--pack-destination", folder];
  execFileSync("npm", arguments_, { cwd: ROOT, stdio: ["ignore", "ignore", "inherit"] });
  mkdirSync(installed, { recursive: true });
  const archive = join(folder, `patternd-${manifest.version}.tgz`);
  execFileSync("tar", ["-xzf", archive, "-C", installed, "--strip-components=1"]);
  const needed = { ...manifest.dependencies, ...manifest.optionalDependencies };
  for (const name of [...Object.keys(needed), "@types/node"]) {
    if (existsSync(join(ROOT, "node_modules", name))) install(name);
  }
  writeFileSync(join(folder, "package.json"), JSON.stringify({ private: true, type: "module" }));
  writeFileSync(join(folder, "tsconfig.json"), JSON.stringify(TSCONFIG));
  addProgram("calls", readFileSync(new URL("package/program.ts", import.meta.url), "utf8"));
  for (const { page, name } of COMPILED) addProgram(name, examplesIn(page));
  const compiler = join(ROOT, "node_modules/typescript/bin/tsc");
  compiled = spawnSync(process.execPath, [compiler], { cwd: folder, encoding: "utf8" }).stdout;
}, 120_000);

afterAll(() => rmSync(folder, { recursive: true }));

/** A program in a folder of its own within the project, named by it. */
function addProgram(name: string, source: string): void {
  mkdirSync(join(folder, name));
  writeFileSync(join(folder, name, "program.ts"), source);
}

function examplesIn(page: string): string {
  const text = readFileSync(join(installed, page), "utf8");
  return [...text.matchAll(/^```ts(?: \w+)?\n(.*?)^```$/gms)].map(([, code = ""]) => code).join("\n");
}

/** What a program prints, in a home folder of its own. */
function run(name: string): string[] {
  const env = { PATH: process.env.PATH, HOME: folder };
  const ran = spawnSync(process.execPath, ["program.js"], { cwd: join(folder, name), env, encoding: "utf8" });
  expect(ran.stderr).toBe("");
  expect(ran.status).toBe(0);
  return ran.stdout.trimEnd().split("\n");
}

function listed(path: string): boolean {
  return existsSync(join(installed, path));
}

describe("the package", () => {
  test("holds what is used, and nothing of how it is made", () => {
    const needed = [
      "bin/patternd-emit",
      "dist/daemon.cjs",
      "dist/help.cjs",
      "dist/patternd.cjs",
      "dist/client/pattern-client.js",
      "dist/client/pattern-client.d.ts",
      "dist/index.js",
      "dist/index.d.ts",
      "dist/cli/main.js",
      "dist/store/worker.js",
      "config.example.json",
      "config.schema.json",
      "pattern.schema.json",
      "docs/library.md",
      "docs/protocol.md",
      "README.md",
      "CHANGELOG.md",
      "LICENSE",
    ];
    expect(needed.filter((path) => !listed(path))).toEqual([]);
    const unwanted = [
      "src",
      "test",
      "bench",
      "node_modules",
      "tsconfig.json",
      "biome.json",
      ".ci",
      ".patternd",
    ];
    expect(unwanted.filter(listed)).toEqual([]);
  });

  test("has a command that runs", () => {
    const program = join(installed, manifest.bin.patternd);
    const answer = (...args: string[]) => execFileSync(program, args, { encoding: "utf8" });
    expect(answer("--version")).toBe(`${manifest.version}\n`);
    expect(answer("check-config")).toContain("ok");
    const emitter = join(installed, manifest.bin["patternd-emit"]);
    expect(execFileSync(emitter, ["--help"], { encoding: "utf8" })).toContain("Usage: patternd-emit");
  });

  test("has types that a strict compiler takes", () => {
    expect(compiled).toBe("");
  });

  test("has calls that do what they say", () => {
    expect(run("calls")).toEqual(["done"]);
  });
});

/** What an example says that it prints stands behind the call, or behind the loop that the call is in. */
const PRINTED = /^.*console\.log\(.*\/\/ (.*)$|^\} \/\/ (.*)$/gm;

test.each(PAGES)("the examples of $page run, and print what they say", ({ page, name }) => {
  const wanted = [...examplesIn(page).matchAll(PRINTED)].map(([, line, further]) => line ?? further);
  expect(wanted).not.toHaveLength(0);
  expect(run(name)).toEqual(wanted);
});

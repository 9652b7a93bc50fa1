/** The command where npm has left out better-sqlite3, which is optional. */
import { spawnSync } from "node:child_process";
import { cpSync, mkdirSync, readdirSync, symlinkSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";
import { createWorld } from "./cli-world.ts";

const ROOT = fileURLToPath(new URL("../", import.meta.url));

test("a missing driver is to be installed, since there is nothing to rebuild", () => {
  const { folder, env } = createWorld();
  const installed = join(folder, "installed");
  cpSync(join(ROOT, "dist"), join(installed, "dist"), { recursive: true });
  cpSync(join(ROOT, "package.json"), join(installed, "package.json"));
  mkdirSync(join(installed, "node_modules"));
  for (const name of readdirSync(join(ROOT, "node_modules")))
    if (name !== "better-sqlite3")
      symlinkSync(join(ROOT, "node_modules", name), join(installed, "node_modules", name));
  const words = [join(installed, "dist/patternd.cjs"), "check-store", "--store", "sqlite:store"];
  const { status, stderr } = spawnSync(process.execPath, words, { cwd: folder, env, encoding: "utf8" });
  expect(status).toBe(1);
  expect(stderr).toContain("better-sqlite3 can't be loaded: Cannot find module");
  expect(stderr).toMatch(/npm install --no-save better-sqlite3@1[23]`/);
  expect(stderr).not.toContain("npm rebuild");
});

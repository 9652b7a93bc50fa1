import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { afterEach, beforeEach, expect } from "vitest";
import { type Config, loadConfig } from "../src/config/load.ts";
import { PatterndError } from "../src/errors.ts";

/** Short, and without any file of the user's. */
export const ENV = { HOME: "/home/ann", XDG_CONFIG_HOME: "/nonexistent" };

/** A folder of its own for each test of the file that calls this, and a configuration file in it. */
export class ConfigFixture {
  folder = "";

  constructor() {
    beforeEach(() => {
      this.folder = mkdtempSync(join(tmpdir(), "patternd-"));
    });
    afterEach(() => rmSync(this.folder, { recursive: true }));
  }

  get file(): string {
    return join(this.folder, "config.json");
  }

  load(content: unknown, env: Record<string, string> = ENV): Config {
    return loadConfig({ file: write(this.file, content), env });
  }

  /** The lines of a `config_invalid`, without the file's name in front. */
  faults(content: unknown): string[] {
    const error = failure(() => this.load(content));
    expect(error.code).toBe("config_invalid");
    return error.message.split("\n").map((line) => {
      expect(line.startsWith(`${this.file}: `)).toBe(true);
      return line.slice(this.file.length + 2);
    });
  }
}

/** Writes text as it is, everything else as JSON. */
export function write(path: string, content: unknown): string {
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, typeof content === "string" ? content : JSON.stringify(content));
  return path;
}

export function failure(run: () => unknown): PatterndError {
  try {
    run();
  } catch (error) {
    if (error instanceof PatterndError) return error;
    throw error;
  }
  throw new Error("expected a PatterndError, got none");
}

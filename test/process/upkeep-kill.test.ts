/** A store's process killed at random moments of saving, compressing and deleting, while another one reads. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { setTimeout as pause } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { describe, expect, test } from "vitest";
import type { Backend } from "../../src/store/backend.ts";
import { openStore } from "../../src/store/open.ts";
import { Model, parse, walk } from "../conformance/patterns.ts";
import { Place } from "../conformance/place.ts";
import { BACKENDS } from "./daemon.ts";
import { newSeed, seeded, taskLine } from "./patterns.ts";

const CHILD = fileURLToPath(new URL("upkeep-child.mjs", import.meta.url));
const ROUNDS = 8;
const STEPS = 25;
const IDS = 1500;
const FIRST_DAY = Date.parse("2026-05-01") / 86_400_000;
const DAYS = 6;
/** Ids of this beginning are of the last days: no deletion comes to them. */
const LASTING = "lasting";

type Step = { write: string[] } | { compress: number } | { delete: string };

/** At a moment of one of the days; newer or older than what was there before. */
function randomLine(random: () => number): string {
  const number = Math.floor(random() * IDS);
  const lasting = random() < 0.5;
  const day = lasting ? DAYS + Math.floor(random() * 2) : Math.floor(random() * DAYS);
  const timestamp = new Date((FIRST_DAY + day + random()) * 86_400_000).toISOString();
  const id = `${lasting ? LASTING : "passing"} ${number}`;
  return taskLine({ id, timestamp, data: { nonce: random(), padding: "한국어 x ".repeat(20) } });
}

function randomStep(random: () => number): Step {
  const choice = random();
  if (choice < 0.3) return { compress: FIRST_DAY + 1 + Math.floor(random() * (DAYS + 3)) };
  if (choice < 0.5) {
    const ms = Math.floor((FIRST_DAY + random() * DAYS) * 86_400_000);
    return { delete: String(BigInt(ms) * 1_000_000n) };
  }
  return { write: Array.from({ length: 1 + Math.floor(random() * 300) }, () => randomLine(random)) };
}

/** What may be there once a step was cut off, by id: what was there before, or what the step brings. */
function allowed(
  before: ReadonlyMap<string, string>,
  step: Step | undefined,
): Map<string, Set<string | undefined>> {
  const versions = new Map([...before].map(([id, line]) => [id, new Set<string | undefined>([line])]));
  if (step && "write" in step) {
    for (const line of step.write) {
      const { id } = parse(line);
      versions.set(id, (versions.get(id) ?? new Set<string | undefined>([undefined])).add(line));
    }
  }
  if (step && "delete" in step) {
    for (const [id, line] of before) {
      if (parse(line).instant < BigInt(step.delete)) versions.get(id)?.add(undefined);
    }
  }
  return versions;
}

function byId(lines: readonly string[]): Map<string, string> {
  const found = new Map(lines.map((line) => [parse(line).id, line]));
  expect(found.size, "an id is there twice").toBe(lines.length);
  return found;
}

/** Runs the steps, and kills at a random moment of a random one. Returns which were done and which was begun. */
async function runAndKill(kind: string, place: Place, steps: Step[], random: () => number) {
  const script = join(place.folder, "script");
  writeFileSync(script, steps.map((step) => `${JSON.stringify(step)}\n`).join(""));
  const last = Math.floor(random() * steps.length);
  const child = spawn(process.execPath, [CHILD, kind, place.path, script], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  const exited = once(child, "exit");
  let begun = -1;
  let ended = -1;
  for await (const line of createInterface(child.stdout)) {
    const [word, number] = line.split(" ");
    if (word === "begin") begun = Number(number);
    else ended = Number(number);
    // The moment is what chance makes of it: nothing to wait for.
    if (begun === last && word === "begin") void pause(random() * 25).then(() => child.kill("SIGKILL"));
  }
  await exited;
  return { done: steps.slice(0, ended + 1), cut: begun > ended ? steps[begun] : undefined };
}

/** Reads without end while the writer's process lives: what lasts is always there, and nothing twice. */
async function readMeanwhile(
  reader: Backend,
  lasting: ReadonlySet<string>,
  signal: AbortSignal,
): Promise<number> {
  let rounds = 0;
  for (; !signal.aborted; rounds += 1) {
    const found = byId((await reader.query({}, { limit: 10_000 })).lines);
    expect([...lasting].filter((id) => !found.has(id))).toEqual([]);
    await pause(1);
  }
  return rounds;
}

describe.each(BACKENDS)("%s", (kind) => {
  test("killed at any moment, every pattern is there exactly once, also to whoever reads meanwhile", async () => {
    const random = seeded(newSeed(`upkeep ${kind}`));
    const place = new Place((options) => openStore(kind, options));
    await (await place.open()).close();
    let known = new Map<string, string>();
    let read = 0;
    for (let round = 0; round < ROUNDS; round += 1) {
      const reader = await place.open({ readOnly: true });
      const end = new AbortController();
      const lasting = new Set([...known.keys()].filter((id) => id.startsWith(LASTING)));
      const reading = readMeanwhile(reader, lasting, end.signal);
      const steps = Array.from({ length: STEPS }, () => randomStep(random));
      const killed = runAndKill(kind, place, steps, random).finally(() => end.abort());
      const [{ done, cut }, rounds] = await Promise.all([killed, reading]);
      read += rounds;

      const model = new Model();
      model.write([...known.values()].map(parse));
      for (const step of done) {
        if ("write" in step) model.write(step.write.map(parse));
        if ("delete" in step) model.deleteOlderThan(BigInt(step.delete));
      }
      const versions = allowed(byId(model.lines({})), cut);
      // Before any repair, and after it.
      const unrepaired = await walk(reader, {}, 1000);
      await reader.close();
      const store = await place.open();
      const lines = await walk(store, {}, 1000);
      expect(lines).toEqual(unrepaired);
      known = byId(lines);
      for (const [id, possible] of versions) expect(possible).toContain(known.get(id));
      expect([...known.keys()].filter((id) => !versions.has(id))).toEqual([]);
      for (const [id, line] of [...known].slice(0, 20)) expect(await store.get(id)).toBe(line);
      await store.compress(FIRST_DAY + 100);
      expect(await walk(store, {}, 1000)).toEqual(lines);
      await store.close();
    }
    expect(read).toBeGreaterThan(ROUNDS);
    expect(known.size).toBeGreaterThan(0);
  }, 120_000);
});

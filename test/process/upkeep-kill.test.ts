/** A store's process killed at random moments of saving, compressing and deleting, while another one reads. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { setTimeout as pause } from "node:timers/promises";
import { describe, expect, test } from "vitest";
import type { Backend } from "../../src/store/backend.ts";
import { openStore } from "../../src/store/open.ts";
import { Model, parse, walk } from "../conformance/patterns.ts";
import { Place } from "../conformance/place.ts";
import { BACKENDS } from "./daemon.ts";
import { newSeed, seeded } from "./patterns.ts";
import { byId, CHILD, exceptionsOf, FIRST_DAY, LASTING, randomStep, type Step } from "./upkeep-steps.ts";

const ROUNDS = 8;
const STEPS = 25;
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
    const model = new Model();
    model.write([...before.values()].map(parse));
    model.deleteOlderThan(BigInt(step.delete), exceptionsOf(step));
    for (const id of before.keys()) if (model.get(id) === undefined) versions.get(id)?.add(undefined);
  }
  if (step && "forget" in step) for (const id of step.forget) versions.get(id)?.add(undefined);
  return versions;
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
    const forgotten = new Set<string>();
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
      model.forget([...forgotten]);
      model.write([...known.values()].map(parse));
      for (const step of done) {
        if ("write" in step) model.write(step.write.map(parse));
        if ("delete" in step) model.deleteOlderThan(BigInt(step.delete), exceptionsOf(step));
        if ("forget" in step) {
          for (const id of step.forget) forgotten.add(id);
          model.forget(step.forget);
        }
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
      if (cut && "forget" in cut) {
        await store.forget(cut.forget);
        for (const id of cut.forget) {
          forgotten.add(id);
          known.delete(id);
        }
        expect(byId(await walk(store, {}, 1000))).toEqual(known);
      }
      await store.close();
    }
    expect(read).toBeGreaterThan(ROUNDS);
    expect(known.size).toBeGreaterThan(0);
  }, 120_000);
});

/** Checks beside a process that saves, compresses and deletes, and of what it leaves when it is killed. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { setImmediate as turn } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";
import { checkerOf } from "../../src/store/check.ts";
import { openStore } from "../../src/store/open.ts";
import { findingsOf, repairsOf } from "../check-world.ts";
import { walk } from "../conformance/patterns.ts";
import { Place } from "../conformance/place.ts";
import { BACKENDS } from "./daemon.ts";
import { newSeed, seeded, taskLine } from "./patterns.ts";

const CHILD = fileURLToPath(new URL("upkeep-child.mjs", import.meta.url));
const ROUNDS = 6;
const STEPS = 30;
const IDS = 400;
const FIRST_DAY = Date.parse("2026-05-01") / 86_400_000;
const DAYS = 5;
/** What a crash leaves; each opening settles it. */
const OF_A_CRASH = [
  "index_unfit",
  "leftover",
  "mark_dangling",
  "mark_pending",
  "merge_unfinished",
  "torn_tail",
];

function randomStep(random: () => number): object {
  const choice = random();
  const day = () => FIRST_DAY + random() * DAYS;
  if (choice < 0.25) return { compress: Math.floor(day()) + 1 };
  if (choice < 0.35) return { delete: String(BigInt(Math.floor(day() * 86_400_000)) * 1_000_000n) };
  const write = Array.from({ length: 1 + Math.floor(random() * 300) }, () => {
    const timestamp = new Date(day() * 86_400_000).toISOString();
    return taskLine({
      id: `${Math.floor(random() * IDS)}`,
      timestamp,
      data: { padding: "한국어 x ".repeat(20) },
    });
  });
  return { write };
}

test.each(BACKENDS)(
  "%s: no check is wrong, and a repair changes no answer",
  async (backend) => {
    const random = seeded(newSeed(`check beside ${backend}`));
    const place = new Place((options) => openStore(backend, options));
    await (await place.open()).close();
    const script = join(place.folder, "script.ndjson");
    let checks = 0;
    for (let round = 0; round < ROUNDS; round += 1) {
      const steps = Array.from({ length: STEPS }, () => randomStep(random));
      writeFileSync(script, steps.map((step) => JSON.stringify(step)).join("\n"));
      const child = spawn(process.execPath, [CHILD, backend, place.path, script], {
        stdio: ["ignore", "pipe", "inherit"],
      });
      const closed = once(child, "close");
      await once(child.stdout, "data");
      child.stdout.resume();
      const killAfter = round % 2 === 0 ? Number.POSITIVE_INFINITY : 1 + Math.floor(random() * 4);
      for (let n = 0; child.exitCode === null && child.signalCode === null; n += 1) {
        if (n === killAfter) child.kill("SIGKILL");
        const found = await findingsOf(await checkerOf({ backend, path: place.path }));
        if (n < killAfter) expect(found).toEqual([]);
        checks += 1;
        await turn();
      }
      await closed;
      const checker = await checkerOf({ backend, path: place.path });
      const found = await findingsOf(checker);
      expect(found.filter(({ kind }) => !OF_A_CRASH.includes(kind))).toEqual([]);
      if (killAfter === Number.POSITIVE_INFINITY) expect(found).toEqual([]);
      const reader = await place.open({ readOnly: true });
      const answers = await walk(reader, {}, 1000);
      await repairsOf(checker);
      expect(await findingsOf(checker)).toEqual([]);
      expect(await walk(reader, {}, 1000)).toEqual(answers);
      await reader.close();
    }
    expect(checks).toBeGreaterThan(ROUNDS);
  },
  120_000,
);

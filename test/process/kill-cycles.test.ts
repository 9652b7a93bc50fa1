/**
 * Kill cycles: a daemon under load of senders that want acknowledgements is killed at a named point of its write path
 * or at any moment, again and again on the same store; each other start checks every promise that was made so far.
 * `npm run test:kill` runs a thousand on each backend; PATTERND_TEST_SEED repeats a run.
 */
import { execFile } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";
import { describe, expect, test } from "vitest";
import { BACKENDS, type BackendKind, type DaemonProcess, Home, PROGRAM } from "./daemon.ts";
import { expectAllKept } from "./faults/kept.ts";
import { AckingSender } from "./faults/ledger.ts";
import { exactly, faulty, KILLS, type Plan } from "./faults/plan.ts";
import { newSeed, seeded } from "./patterns.ts";

const CYCLES = Number(process.env.PATTERND_KILL_CYCLES ?? 24);
/** A store is checked whole each time: it must not become too large. */
const CYCLES_A_STORE = 20;
const SENDERS = 3;
const run = promisify(execFile);
const TIME_FOR_A_CYCLE_MS = 15_000;

/** The points that a daemon reaches, and how often, from its start through some load. */
async function reconnoitre(backend: BackendKind): Promise<Map<string, number>> {
  const home = new Home();
  const record = join(home.folder, "points");
  const random = seeded(1);
  const sender = new AckingSender("scout", random);
  for (let start = 0; start < 2; start += 1) {
    const daemon = await home.start({ backend, env: faulty({ record }) });
    let acks = 0;
    await sender.run(daemon.sockets.ingest, () => {
      acks += 1;
      if (acks === 20) daemon.signal("SIGKILL");
    });
    await daemon.exited;
  }
  const points = new Map<string, number>();
  for (const point of readFileSync(record, "utf8").split("\n").slice(0, -1)) {
    points.set(point, (points.get(point) ?? 0) + 1);
  }
  return points;
}

async function endedOrStarted(daemon: DaemonProcess): Promise<string | undefined> {
  try {
    return String((await daemon.event("daemon.started")).ingest);
  } catch {
    return undefined;
  }
}

/** Under load until it is dead: by its plan, or after so many acknowledgements. */
async function loadUntilDead(daemon: DaemonProcess, senders: readonly AckingSender[], acks: number) {
  const ingest = await endedOrStarted(daemon);
  let left = acks;
  const onAck = () => {
    left -= 1;
    if (left === 0) daemon.signal("SIGKILL");
  };
  if (ingest !== undefined) await Promise.all(senders.map((sender) => sender.run(ingest, onAck)));
  expect(await daemon.exited, daemon.errors).toBeNull();
}

describe.each(BACKENDS)("%s", (backend) => {
  test(
    `${CYCLES} times killed, no promise is broken`,
    async () => {
      const points = await reconnoitre(backend);
      const names = [...points.keys()].sort();
      expect(names.length).toBeGreaterThan(2);
      const random = seeded(newSeed(`kill cycles on ${backend}`));
      const killedAt = new Map<string, number>();
      let home = new Home();
      let senders: AckingSender[] = [];
      let promised = 0;
      for (let cycle = 0; cycle < CYCLES; cycle += 1) {
        if (cycle % CYCLES_A_STORE === 0) {
          promised += senders.reduce((sum, sender) => sum + sender.promised, 0);
          home = new Home();
          senders = Array.from({ length: SENDERS }, (_, n) => new AckingSender(`${cycle}-${n}`, random));
        }
        const acks = 1 + Math.floor(random() * 25);
        if (cycle % 2 === 0) {
          // Each point in its turn; when in its life of calls, and how, is chance.
          const point = names[(cycle / 2) % names.length] ?? "";
          const nth = 1 + Math.floor(random() * Math.min(12, points.get(point) ?? 1));
          const does = KILLS[Math.floor(random() * KILLS.length)] ?? "kill before";
          const plan: Plan = { point: exactly(point), nth, does };
          await loadUntilDead(home.launch({ backend, env: faulty(plan) }), senders, 40);
          killedAt.set(point, (killedAt.get(point) ?? 0) + 1);
        } else {
          const daemon = await home.start({ backend });
          await expectAllKept(daemon, senders);
          await loadUntilDead(daemon, senders, acks);
        }
      }
      const last = await home.start({ backend });
      await expectAllKept(last, senders);
      expect(await last.stop()).toBe(0);
      const store = `${backend}:${join(home.state, "patterns")}`;
      const check = [PROGRAM, "check-store", "--json", "--store", store];
      await run(process.execPath, check, { env: home.env });
      promised += senders.reduce((sum, sender) => sum + sender.promised, 0);
      console.log(
        `${backend}: ${CYCLES} kills, ${promised} patterns promised and kept; at ${JSON.stringify([...killedAt])}`,
      );
      expect(promised).toBeGreaterThan(0);
    },
    60_000 + CYCLES * TIME_FOR_A_CYCLE_MS,
  );
});

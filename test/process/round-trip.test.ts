import { execFile } from "node:child_process";
import { readFileSync } from "node:fs";
import { promisify } from "node:util";
import { describe, expect, test } from "vitest";
import { ask, askAll, askHealth, lines, send } from "./client.ts";
import { BACKENDS, Home, PROGRAM } from "./daemon.ts";
import { taskLine } from "./patterns.ts";

const run = promisify(execFile);

/** 240 patterns that the Python library wrote: four timestamp styles, Unicode, integers beyond 2^53. */
const written = readFileSync(new URL("../fixtures/moai-expected.ndjson", import.meta.url), "utf8")
  .split("\n")
  .slice(0, -1);

/** Of times without a zone; it never changed its clocks in the years of the fixture. */
const STORE_ZONE = { TZ: "Asia/Seoul", offset: "+09:00" };

function inOrder(): string[] {
  const keyed = written.map((line) => {
    const { pattern_id: id, timestamp } = JSON.parse(line);
    return { line, id: Buffer.from(id), instant: nanoseconds(timestamp) };
  });
  keyed.sort((a, b) => Number(b.instant - a.instant) || Buffer.compare(a.id, b.id));
  return keyed.map(({ line }) => line);
}

function nanoseconds(timestamp: string): bigint {
  const [, wall, fraction = "", zone = STORE_ZONE.offset] =
    /^(.{19})(?:\.(\d+))?(Z|[+-]\d\d:\d\d)?$/.exec(timestamp) ?? [];
  return BigInt(Date.parse(`${wall}${zone}`)) * 1_000_000n + BigInt(fraction.padEnd(9, "0"));
}

describe.each(BACKENDS)("%s", (backend) => {
  test("gives every line back byte for byte and in order, after a restart and in other zones too", async () => {
    const home = new Home();
    const first = await home.start({ backend, env: { TZ: STORE_ZONE.TZ } });
    const { receipt } = await send(first.sockets.ingest, [lines(...written)]);
    expect(receipt).toEqual({ lines: 240, stored: 240, rejected: 0, not_collected: 0 });
    const expected = inOrder();
    expect(await askAll(first.sockets.query, 1000)).toEqual(expected);
    expect(await askAll(first.sockets.query, 7)).toEqual(expected);
    expect(await first.stop()).toBe(0);

    const second = await home.start({ backend, env: { TZ: "America/New_York" } });
    expect(await askAll(second.sockets.query, 31)).toEqual(expected);
    const again = await send(second.sockets.ingest, [lines(...written)]);
    expect(again.receipt).toMatchObject({ lines: 240, stored: 240 });
    expect((await askHealth(second.sockets.query)).lines).toMatchObject({ stored: 0, superseded: 240 });
    const { stdout } = await run(process.execPath, [PROGRAM, "query", "--limit", "1000", "--json"], {
      env: { ...home.env, TZ: "Pacific/Auckland" },
      maxBuffer: 16 * 1024 * 1024,
    });
    expect(stdout).toBe(expected.map((line) => `${line}\n`).join(""));
    expect(await second.stop()).toBe(0);
  });

  test("orders by instant, then by the id's code points", async () => {
    const home = new Home();
    const { sockets } = await home.start({ backend });
    const at = (id: string, timestamp: string) => taskLine({ id, timestamp });
    const expected = [
      at("late", "2026-05-01T00:00:00.000000002Z"),
      at("early id, later instant", "2026-05-01T09:00:00.000000001+09:00"),
      at("B", "2026-04-30T20:00:00-04:00"),
      at("a", "2026-05-01T00:00Z"),
      at("\uffff", "2026-05-01 00:00:00Z"),
      at("🦊", "2026-05-01T00:00:00.000000000Z"),
      at("old", "1970-01-01T00:00:00+23:59"),
    ];
    await send(sockets.ingest, [lines(...expected.toReversed())]);
    expect(await askAll(sockets.query, 1)).toEqual(expected);
    expect(await askAll(sockets.query, 100)).toEqual(expected);
  });

  test("an answer without a filter is the newest hundred, with a cursor", async () => {
    const home = new Home();
    const { sockets } = await home.start({ backend });
    await send(sockets.ingest, [lines(...written)]);
    const { status, headers, body } = await ask(sockets.query, "/v1/patterns");
    expect(status).toBe(200);
    expect(headers["content-type"]).toBe("application/x-ndjson");
    expect(headers["patternd-next"]).toBeTypeOf("string");
    expect(body.split("\n")).toHaveLength(101);
  });
});

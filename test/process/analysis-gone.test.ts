/** An analysis ends with its asker, however far it is. */
import { readdirSync } from "node:fs";
import { setImmediate } from "node:timers/promises";
import { describe, expect, onTestFinished, test } from "vitest";
import { openInThreads } from "../../dist/store/thread.js";
import { openStore } from "../../src/store/open.ts";
import { parse } from "../conformance/patterns.ts";
import { Place } from "../conformance/place.ts";
import { BACKENDS } from "./daemon.ts";
import { taskLine } from "./patterns.ts";

const PATTERNS = 40_000;
const ALL = { start: undefined, end: BigInt(Date.now()) * 1_000_000n, before: undefined };

function threads(): number {
  return readdirSync("/proc/self/task").length;
}

describe.each(BACKENDS)("in the threads of %s", (kind) => {
  test("one that runs ends, one that waits is not begun, and the next one is answered", async () => {
    const place = new Place((options) => openStore(kind, options));
    const writer = await place.open();
    await writer.write(Array.from({ length: PATTERNS }, (_, n) => parse(taskLine({ id: `p${n}` }))));
    await writer.close();
    const options = { path: place.path, durability: "os", timezone: "UTC", readOnly: false } as const;
    const store = await openInThreads(kind, options, () => {});
    onTestFinished(() => store.close());

    const idle = threads();
    const [first, second] = [new AbortController(), new AbortController()];
    const runs = store.analyse({}, ALL, first.signal);
    const waits = store.analyse({}, ALL, second.signal);
    const next = store.analyse({}, ALL, new AbortController().signal);
    while (threads() === idle) await setImmediate();
    second.abort();
    first.abort();
    await expect(runs).rejects.toMatchObject({ code: "store_closed" });
    await expect(waits).rejects.toMatchObject({ code: "store_closed" });
    expect((await next).patterns.total).toBe(PATTERNS);
  });
});

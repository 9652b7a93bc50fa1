import { chmodSync, mkdirSync, mkdtempSync, readdirSync, readlinkSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { dirname, join, relative } from "node:path";
import fc from "fast-check";
import { expect, onTestFinished, test, vi } from "vitest";
import { parseMoment } from "../src/cli/moment.ts";
import { completeLine } from "../src/client/complete.ts";
import { sendLines } from "../src/client/ingest.ts";
import { leaveInOutbox } from "../src/client/outbox.ts";
import { localTimestamp, surroundings } from "../src/client/surroundings.ts";
import { valueOffset } from "../src/client/value-offset.ts";
import { parseTimestamp, writeInstant } from "../src/pattern/timestamp.ts";
import { Zone } from "../src/pattern/zone.ts";
import { whileFailing } from "./failing-calls.ts";

/** A folder that this process may add to, but not read; until what is returned is called. */
function enterUnreadable(path: string): () => void {
  mkdirSync(path);
  const isRoot = process.getuid?.() === 0;
  // Root may do everything.
  chmodSync(path, isRoot ? 0o733 : 0o300);
  chmodSync(dirname(path), 0o711);
  if (isRoot) process.seteuid?.(65_534);
  const leave = () => {
    if (isRoot) process.seteuid?.(0);
    else chmodSync(path, 0o700);
  };
  onTestFinished(leave);
  return leave;
}

const ABOUT = { host: "h", project_name: "p", git_branch: "b", session_id: "s" };

function temporaryFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), "patternd-"));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

const completed = async (line: string) => (await completeLine(Buffer.from(line), ABOUT)).toString("utf8");

/** JSON text of an object with some keys, some twice, some escaped, with white space anywhere. */
const space = fc.constantFrom("", " ", "\t", "\r", "  ");
const key = fc.constantFrom(
  '"pattern_id"',
  '"timestamp"',
  '"context"',
  '"c\\u006fntext"',
  '"host"',
  '"data"',
  '"{"',
  '"__proto__"',
);
const { object } = fc.letrec<{ value: string; object: string }>((tie) => ({
  value: fc.oneof(
    { maxDepth: 3, withCrossShrink: true },
    fc.constantFrom("null", "1e400", "12345678901234567890", '"}"', '"\\u0000\\ud800"', '"\\"{"', "[]"),
    tie("object"),
    fc.array(tie("value"), { maxLength: 2 }).map((values) => `[${values.join(",")}]`),
  ),
  object: fc
    .array(fc.tuple(space, key, space, tie("value"), space), { maxLength: 4 })
    .map((entries) => `{${entries.map(([a, k, b, v, c]) => `${a}${k}${b}:${v}${c}`).join(",")}}`),
}));

test("a completed line is the line with text inserted, and lacks nothing that it could be given", async () => {
  await fc.assert(
    fc.asyncProperty(space, object, async (before, text) => {
      const line = before + text;
      const result = await completed(line);
      const was: unknown = JSON.parse(line);
      const is = JSON.parse(result);
      expect(is).toMatchObject(was as object);
      expect(Object.keys(is)).toEqual(expect.arrayContaining(["pattern_id", "timestamp", "context"]));
      const { context } = is;
      if (typeof context === "object" && context !== null && !Array.isArray(context)) {
        expect(Object.keys(context)).toEqual(expect.arrayContaining(Object.keys(ABOUT)));
      }
      // Every character of the line is still there, in order.
      let at = 0;
      for (const character of result) if (character === line[at]) at += 1;
      expect(at).toBeGreaterThanOrEqual(line.length);
    }),
  );
});

test.each([
  ["nothing absent", '{"pattern_id":"a","timestamp":"t","context":null}'],
  ["not an object", "[1]"],
  ["not JSON", '{"a":'],
  ["null", "null"],
])("a line is left alone: %s", async (_, line) => {
  expect(await completed(line)).toBe(line);
});

test("a line that is not UTF-8 is left alone", async () => {
  const line = Buffer.from([0x7b, 0x7d, 0xff]);
  expect(await completeLine(line, ABOUT)).toBe(line);
});

test("what is inserted stands at the opening brace; the last of two contexts is the one that counts", async () => {
  expect(
    await completed('{"pattern_id":"a", "timestamp":"t","context":{"host":1},"context":{ "host":2 }}'),
  ).toBe(
    '{"pattern_id":"a", "timestamp":"t","context":{"host":1},"context":{"project_name":"p","git_branch":"b","session_id":"s", "host":2 }}',
  );
  expect(await completed('{"pattern_id":"a","timestamp":"t","context":{ }}')).toBe(
    '{"pattern_id":"a","timestamp":"t","context":{"host":"h","project_name":"p","git_branch":"b","session_id":"s" }}',
  );
});

test("nesting without end is no matter", () => {
  const deep = `${"[".repeat(50_000)}${"]".repeat(50_000)}`;
  const text = `{"data":${deep},"context":{}}`;
  expect(valueOffset(text, "context")).toBe(text.length - 3);
});

test("branch and project are read from a repository, a worktree, and not from a detached head", () => {
  const folder = temporaryFolder();
  const at = (name: string) => {
    const cwd = vi.spyOn(process, "cwd").mockReturnValue(join(folder, name));
    const { project_name, git_branch } = surroundings({});
    cwd.mockRestore();
    return [project_name, git_branch];
  };
  mkdirSync(join(folder, "main/.git/worktrees/side"), { recursive: true });
  mkdirSync(join(folder, "main/deep/er"), { recursive: true });
  mkdirSync(join(folder, "side"));
  writeFileSync(join(folder, "main/.git/HEAD"), "ref: refs/heads/trunk\n");
  writeFileSync(join(folder, "main/.git/worktrees/side/HEAD"), "ref: refs/heads/fix/one\n");
  writeFileSync(join(folder, "side/.git"), "gitdir: ../main/.git/worktrees/side\n");
  expect(at("main/deep/er")).toEqual(["main", "trunk"]);
  expect(at("side")).toEqual(["side", "fix/one"]);
  writeFileSync(join(folder, "main/.git/HEAD"), `${"a".repeat(40)}\n`);
  expect(at("main")).toEqual(["main", undefined]);
  rmSync(join(folder, "main/.git/HEAD"));
  expect(at("main")).toEqual(["main", undefined]);
  expect(at(".")).toEqual([undefined, undefined]);
});

test("the local timestamp names the same moment in every zone", () => {
  const before = process.env.TZ;
  onTestFinished(() => {
    process.env.TZ = before;
  });
  const now = new Date("2026-03-29T00:59:59.123Z");
  const written = ["UTC", "Europe/Berlin", "America/St_Johns", "Asia/Kathmandu"].map((zone) => {
    process.env.TZ = zone;
    return localTimestamp(now);
  });
  expect(written).toEqual([
    "2026-03-29T00:59:59.123+00:00",
    "2026-03-29T01:59:59.123+01:00",
    "2026-03-28T22:29:59.123-02:30",
    "2026-03-29T06:44:59.123+05:45",
  ]);
});

test("an instant that is written is the instant that is read", () => {
  const first = BigInt(Date.UTC(1969, 11, 31, 0, 1)) * 1_000_000n;
  const last = BigInt(Date.UTC(2262, 0, 1, 23, 58, 59)) * 1_000_000n + 999_999_999n;
  const utc = new Zone("UTC");
  fc.assert(
    fc.property(fc.bigInt(first, last), (instant) => parseTimestamp(writeInstant(instant), utc) === instant),
    { examples: [[first], [last], [0n], [-1n]] },
  );
});

test("times as people write them", () => {
  const now = new Date(2026, 2, 10, 12, 0, 0, 5);
  const zone = Zone.host();
  const ms = (text: string, side: "start" | "end" = "start") => {
    const instant = parseMoment(text, side, zone, now);
    return instant === undefined ? undefined : Number(instant / 1_000_000n);
  };
  expect(ms("2h")).toBe(now.getTime() - 7_200_000);
  expect(ms("1w", "end")).toBe(now.getTime() - 7 * 86_400_000);
  expect(ms("today")).toBe(new Date(2026, 2, 10).getTime());
  expect(ms("today", "end")).toBe(new Date(2026, 2, 11).getTime() - 1);
  expect(ms("yesterday")).toBe(new Date(2026, 2, 9).getTime());
  for (const text of ["tomorrow", "2 h", "h", "-2h", "2026-02-30", ""]) expect(ms(text)).toBeUndefined();
});

test("what is left survives a power cut, with its name and those of the folders that were made for it", async () => {
  const folder = temporaryFolder();
  const path = join(folder, "deep", "outbox");
  const steps: string[] = [];
  const nameOf = (target: unknown) =>
    relative(folder, typeof target === "number" ? readlinkSync(`/proc/self/fd/${target}`) : String(target));
  const leave = async () =>
    whileFailing(
      (call, _, target) => {
        if (call === "fsyncSync" || call === "renameSync") steps.push(`${call} ${nameOf(target)}`);
        return false;
      },
      async () => relative(path, leaveInOutbox({ path, maxBytes: 1 << 20 }, Buffer.from("{}\n"))),
    );
  const first = `deep/outbox/.${(await leave()).replace("ndjson", "tmp")}`;
  expect(steps.splice(0)).toEqual([
    `fsyncSync ${first}`,
    `renameSync ${first}`,
    "fsyncSync deep/outbox",
    "fsyncSync deep",
    "fsyncSync ",
  ]);
  await leave();
  expect(steps.slice(2)).toEqual(["fsyncSync deep/outbox"]);
  await expect(
    whileFailing((call, _, target) => call === "fsyncSync" && nameOf(target) === "deep/outbox", leave),
  ).rejects.toMatchObject({ code: "outbox_unusable" });
});

test("who may add to an outbox, but not read it, leaves things there all the same", () => {
  const path = join(temporaryFolder(), "outbox");
  const entered = enterUnreadable(path);
  expect(leaveInOutbox({ path, maxBytes: 1 << 20 }, Buffer.from("{}\n"))).toContain(path);
  entered();
  expect(readdirSync(path)).toHaveLength(1);
});

test("an outbox takes what fits, and leaves nothing unfinished when it does not", () => {
  const path = join(temporaryFolder(), "deep", "outbox");
  const lines = Buffer.from("{}\n");
  const files = [1, 2, 3].map(() => leaveInOutbox({ path, maxBytes: 1 << 20 }, lines));
  expect(files).toEqual([...files].sort());
  expect(() => leaveInOutbox({ path, maxBytes: 100 }, lines)).toThrow(
    expect.objectContaining({ code: "outbox_full" }),
  );
  expect(readdirSync(path)).toHaveLength(3);
});

test("silence costs one timeout, also when it begins in the middle of writing", async () => {
  const path = join(temporaryFolder(), "s");
  const server = createServer((socket) => socket.pause().on("error", () => {}));
  await new Promise<void>((resolve) => {
    server.listen(path, resolve);
  });
  onTestFinished(() => {
    server.close();
  });
  for (const size of [10, 4 * 1024 * 1024]) {
    const begun = performance.now();
    const batch = { bytes: Buffer.alloc(size, "x"), lines: 1 };
    const delivery = await sendLines(path, batch, { timeoutMs: 300, awaitReceipt: true });
    expect(delivery.kind).toBe("unsettled");
    expect(performance.now() - begun).toBeLessThan(2_000);
  }
  const nobody = await sendLines(
    `${path}x`,
    { bytes: Buffer.from("{}\n"), lines: 1 },
    { timeoutMs: 300, awaitReceipt: true },
  );
  expect(nobody).toMatchObject({ kind: "unreachable" });
});

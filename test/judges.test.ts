import { expect, test } from "vitest";
import type { Lines } from "../src/pattern/lines.ts";
import type { Entry, Outcome, Refusal } from "../src/pattern/settlement.ts";
import { judgeByParser, judgeByStore } from "../src/queue/rejected/judges.ts";
import { line, Refused } from "./queue-fixture.ts";

const rejection = { code: "missing_field", message: "" } as const;
const TOO_LONG: Entry = {
  kind: "rejected",
  line: { rejection: { code: "line_too_long", message: "" }, bytes: Buffer.from("x") },
};
const ENTRIES: Entry[] = [line("a"), line("no"), TOO_LONG, line("off"), line("bad"), line("b")];

/** Patterns are their ids. */
async function parse(lines: Lines) {
  const ids = Array.from(lines, ({ bytes }) => bytes.toString());
  const refused = new Map<number, Refusal>();
  for (const [place, id] of ids.entries()) {
    if (id === "no") refused.set(place, { kind: "rejection", rejection });
    if (id === "off") refused.set(place, { kind: "not_collected", type: "note" });
  }
  const patterns = ids.filter((_, place) => !refused.has(place));
  return { patterns, firstId: patterns[0], refused };
}

test("the parser says of each line what would become of it", async () => {
  expect(await judgeByParser(parse)(ENTRIES)).toEqual([
    "accepted",
    "missing_field",
    "line_too_long",
    "not_collected",
    "accepted",
    "accepted",
  ]);
});

test("a store takes all but what it refuses", async () => {
  const stored: string[] = [];
  const write = async (ids: string[]): Promise<Outcome[]> => {
    if (ids.includes("bad")) throw new Refused("not this one");
    stored.push(...ids);
    return ids.map((id) => (id === "b" ? "superseded" : "stored"));
  };
  const judge = judgeByStore(parse, { write, isRefusal: (error) => error instanceof Refused });
  expect(await judge(ENTRIES)).toEqual([
    "accepted",
    "missing_field",
    "line_too_long",
    "not_collected",
    "not_storable",
    "accepted",
  ]);
  expect(stored).toEqual(["a", "b"]);
  expect(await judge([TOO_LONG])).toEqual(["line_too_long"]);
});

test("a store that fails ends the replay with its error", async () => {
  const write = () => Promise.reject(new Error("disk full"));
  const judge = judgeByStore(parse, { write, isRefusal: () => false });
  await expect(judge(ENTRIES)).rejects.toThrow("disk full");
});

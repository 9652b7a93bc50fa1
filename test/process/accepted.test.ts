import { describe, expect, test } from "vitest";
import { askAll, askPattern, lines, send } from "./client.ts";
import { BACKENDS, type BackendKind, Home } from "./daemon.ts";
import { nested, taskLine } from "./patterns.ts";

const AT = '"timestamp":"2026-05-01T10:00:00Z"';
const TASK = `"pattern_type":"task_completion",${AT}`;
const DATA = '"data":{"task_type":"t","agent":"a","duration_ms":1,"success":true}';

/** By the id under which each is found. */
const ACCEPTED: readonly (readonly [string, string])[] = [
  [
    "prototype keys",
    `{"pattern_id":"prototype keys",${TASK},${DATA.slice(0, -1)},"__proto__":{"agent":5},"constructor":7}}`,
  ],
  [
    "prototype keys outside",
    `{"__proto__":{"pattern_id":7},"pattern_id":"prototype keys outside",${TASK},${DATA},"context":{"__proto__":{"tags":7}}}`,
  ],
  ["last id", `{"pattern_id":"first id",${TASK},${DATA},"pattern_id":"last id"}`],
  [
    "last data",
    `{"pattern_id":"last data",${TASK},"data":7,${DATA.replace('"duration_ms":1', '"duration_ms":-1,"duration_ms":2')}}`,
  ],
  [
    "escaped keys",
    `{"pattern\\u005fid":"escaped keys",${TASK},"d\\u0061ta":{"task_type":"t","\\u0061gent":"a","duration_ms":1,"success":true}}`,
  ],
  ['\tescaped "id" \u0001', `{"pattern_id":"\\tescaped \\"id\\" \\u0001",${TASK},${DATA}}`],
  ["NUL", `{"pattern_id":"NUL",${TASK},${DATA.replace('"t"', '"a\\u0000b"')}}`],
  [
    "surrogate",
    `{"pattern_id":"surrogate",${TASK},${DATA.replace('"t"', '"\\ud800"')},"context":{"project_name":"\\udc00","session_id":"\\u0000","agent":"\\ud83e"}}`,
  ],
  [
    "numbers",
    `{"pattern_id":"numbers",${TASK},${DATA.replace(":1,", ":5.0,")},"x":[9007199254740993,1e400,-0.0,1E2]}`,
  ],
  ["negative zero", `{"pattern_id":"negative zero",${TASK},${DATA.replace(":1,", ":-0,")}}`],
  [
    "empty strings",
    `{"pattern_id":"empty strings",${TASK},${DATA.replace('"t"', '""').replace('"a"', '""')},"context":{"tags":["",""],"host":""},"version":""}`,
  ],
  [
    "null is absent",
    `{"pattern_id":"null is absent",${TASK},${DATA.replace("}", ',"retry_count":null}')},"context":null,"version":null}`,
  ],
  ["spaces", ` \t{ "pattern_id" : "spaces",${TASK},${DATA}}\t `],
  ["separators", `{"pattern_id":"separators",${TASK},${DATA},"x":"\u2028\u2029\u0085\u007f"}`],
  [" ", `{"pattern_id":" ",${TASK},${DATA}}`],
  ["🦊".repeat(256), `{"pattern_id":"${"🦊".repeat(256)}",${TASK},${DATA}}`],
  ["a/b?c#d%2Fe&f=g+h", `{"pattern_id":"a/b?c#d%2Fe&f=g+h",${TASK},${DATA}}`],
  ["../patterns", `{"pattern_id":"../patterns",${TASK},${DATA}}`],
  ["__proto__", `{"pattern_id":"__proto__",${TASK},${DATA}}`],
];

async function receive(backend: BackendKind, content: Uint8Array) {
  const { sockets } = await new Home().start({ backend });
  return { query: sockets.query, ...(await send(sockets.ingest, [content])) };
}

describe.each(BACKENDS)("%s", (backend) => {
  test("what is odd but valid is stored byte for byte", async () => {
    const all = ACCEPTED.map(([, line]) => line);
    const { query, receipt, rejects } = await receive(backend, lines(...all));
    expect(rejects).toEqual([]);
    expect(receipt).toEqual({ lines: all.length, stored: all.length, rejected: 0, not_collected: 0 });
    expect((await askAll(query, 1000)).sort()).toEqual(all.toSorted());
    for (const [id, line] of ACCEPTED) expect(await askPattern(query, id)).toBe(line);
    for (const id of ["first id", "", "patterns"]) expect(await askPattern(query, id)).toBeUndefined();
  });

  test.each([".", ".."])("the id %j can be asked for like any other", async (id) => {
    const line = taskLine({ id });
    const { query } = await receive(backend, lines(line));
    expect(await askPattern(query, id)).toBe(line);
  });

  test("a hundred levels of nesting are stored", async () => {
    const { query, receipt } = await receive(backend, lines(nested(100)));
    expect(receipt.stored).toBe(1);
    expect(await askAll(query, 10)).toEqual([nested(100)]);
  });

  test("a byte order mark, carriage returns and blank lines are no part of a pattern", async () => {
    const [first, second, third] = [taskLine({ id: "1" }), taskLine({ id: "2" }), taskLine({ id: "3" })];
    const content = Buffer.from(`\ufeff${first}\r\n\r\n\n \t\r\n${second}\n\n${third}\r\n\n`);
    const { query, receipt } = await receive(backend, content);
    expect(receipt).toEqual({ lines: 3, stored: 3, rejected: 0, not_collected: 0 });
    expect(await askAll(query, 10)).toEqual([first, second, third]);
  });

  test("a last line without newline is stored, with a carriage return left off", async () => {
    const line = taskLine();
    const { query, receipt } = await receive(backend, Buffer.from(`${line}\r`));
    expect(receipt).toMatchObject({ lines: 1, stored: 1 });
    expect(await askAll(query, 10)).toEqual([line]);
  });

  test("a sender without a line gets a receipt, too", async () => {
    const { receipt } = await receive(backend, Buffer.from("\n"));
    expect(receipt).toEqual({ lines: 0, stored: 0, rejected: 0, not_collected: 0 });
  });
});

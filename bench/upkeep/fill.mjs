/** Fills a store with the patterns of a file: node fill.mjs BACKEND PATH FILE */
import { PatternParser } from "../../dist/pattern/parse.js";
import { Zone } from "../../dist/pattern/zone.js";
import { openStore } from "../../dist/store/open.js";
import { batchesOf } from "../store/lines.mjs";

const [backend, path, file] = process.argv.slice(2);
const store = await openStore(backend, { path, durability: "os", timezone: "UTC", readOnly: false });
const parser = new PatternParser({ zone: new Zone("UTC") });
let patterns = 0;
for (const lines of batchesOf(file)) {
  const parsed = lines.map((line) => {
    const one = parser.parseLine(line);
    if (one.kind !== "pattern") throw new Error(`expected a pattern, got ${line}`);
    return one.pattern;
  });
  patterns += (await store.write(parsed)).length;
}
await store.close();
console.log(JSON.stringify({ patterns }));

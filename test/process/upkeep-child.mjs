/** Does to a store what its parent wrote down, one step a line, and says when each step begins and has ended. */
import { readFileSync, writeSync } from "node:fs";
import { PatternParser } from "../../dist/pattern/parse.js";
import { Zone } from "../../dist/pattern/zone.js";
import { openStore } from "../../dist/store/open.js";

const [kind, path, script] = process.argv.slice(2);
const parser = new PatternParser({ zone: new Zone("UTC"), types: {}, now: () => Date.now() });
const say = (word, step) => writeSync(1, `${word} ${step}\n`);

const store = await openStore(kind, { path, durability: "os", timezone: "UTC", readOnly: false });
const steps = readFileSync(script, "utf8")
  .trim()
  .split("\n")
  .map((line) => JSON.parse(line));
for (const [index, step] of steps.entries()) {
  say("begin", index);
  if (step.write) await store.write(step.write.map((line) => parser.parseLine(Buffer.from(line)).pattern));
  if (step.compress) await store.compress(step.compress);
  if (step.forget) await store.forget(step.forget);
  if (step.delete) {
    const { types = [], tag } = step.keep ?? {};
    const byType = Object.fromEntries(types.map((type) => [type, 0n]));
    await store.deleteOlderThan(BigInt(step.delete), { byType, keepTags: tag === undefined ? [] : [tag] });
  }
  say("end", index);
}
await store.close();

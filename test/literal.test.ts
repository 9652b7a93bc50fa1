import fc from "fast-check";
import { expect, test } from "vitest";
import { Literal } from "../src/pattern/literal.ts";
import { newSeed } from "./process/patterns.ts";

const text = fc.string({ unit: fc.constantFrom("a", "b", "é"), maxLength: 14 });

test("a text is found where it stands, and nowhere else", () => {
  fc.assert(
    fc.property(text, fc.array(text), fc.nat(3), (wanted, parts, before) => {
      const whole = Buffer.from(`${"x".repeat(before)}${parts.join(wanted)}${wanted}`);
      // Not where the memory begins or ends, so that a look beyond would find something.
      const memory = Buffer.concat([Buffer.from(wanted), whole, Buffer.from(wanted)]);
      const bytes = memory.subarray(Buffer.byteLength(wanted), -Buffer.byteLength(wanted) || undefined);
      const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
      const literal = new Literal(wanted);
      expect(literal.length).toBe(Buffer.byteLength(wanted));
      for (let start = 0; start <= bytes.length; start += 1) {
        const stands = bytes.subarray(start, start + literal.length).equals(Buffer.from(wanted));
        expect(literal.isAt(bytes, view, start)).toBe(stands);
      }
    }),
    { seed: newSeed("literal") },
  );
});

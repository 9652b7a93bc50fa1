/** Whether what is remembered of forgotten ids is what was written: the file is put in its place whole, whatever crashes. */
import { statSync } from "node:fs";
import { join } from "node:path";
import { writeFileDurably } from "../../durable.ts";
import { readPlainFile } from "../../plain-file.ts";
import { FORGOTTEN_FILE } from "../layout.ts";
import { keepAside } from "../repair.ts";
import { type Fault, fault } from "./fault.ts";

const HASH = /^[0-9a-f]{64}$/;

export function* checkForgotten(root: string): Generator<Fault, void> {
  const file = join(root, FORGOTTEN_FILE);
  let byte = 0;
  for (const [n, { text, isEnded }] of linesOf(file).entries()) {
    const found = isHash(text) ? "no newline behind the last hash" : `${text.length} bytes that are no hash`;
    if (!isHash(text) || !isEnded)
      yield fault(
        { kind: "forgotten_damaged", file, line: n + 1, byte, found },
        { remedy: { does: "drop hashes" } },
      );
    byte += text.length + 1;
  }
}

/** Returns the file that holds what was no hash; undefined if only a newline was missing. */
export function mendForgotten(root: string): string | undefined {
  const file = join(root, FORGOTTEN_FILE);
  const lines = linesOf(file);
  const gone = lines.filter(({ text }) => !isHash(text));
  const cut = gone.map(({ text, isEnded }) => text + (isEnded ? "\n" : "")).join("");
  const keptAs = gone.length > 0 ? keepAside(root, file, Buffer.from(cut, "latin1")) : undefined;
  const kept = lines.map(({ text }) => text).filter(isHash);
  writeFileDurably(file, kept.map((hash) => `${hash}\n`).join(""));
  return keptAs;
}

function isHash(text: string): boolean {
  return HASH.test(text);
}

/** As latin1, so that a character is a byte; none if there is no such file. */
function linesOf(file: string): { readonly text: string; readonly isEnded: boolean }[] {
  if (!statSync(file, { throwIfNoEntry: false })?.isFile()) return [];
  const texts = readPlainFile(file).toString("latin1").split("\n");
  const lines = texts.map((text, n) => ({ text, isEnded: n < texts.length - 1 }));
  return lines.filter(({ text, isEnded }) => isEnded || text !== "");
}

/** What is saved, as the line that it is stored as. */
import { PatterndError } from "../errors.ts";
import type { PatternParser } from "../pattern/parse.ts";
import type { Pattern as StoredPattern } from "../pattern/pattern.ts";
import type { Rejection } from "../pattern/rejection.ts";
import { PatternError } from "./error.ts";

/**
 * A line by the rules of the ingest socket; a newline at its end is no part of it.
 *
 * @throws PatternError
 */
export function parseLine(parser: PatternParser, line: string): StoredPattern {
  const text = line.replace(/\r?\n?$/, "");
  // A newline between two tokens is JSON, but two lines to every reader of the store.
  if (text.includes("\n")) {
    throw new PatternError({ code: "invalid_json", message: "expected one line, got several" });
  }
  if (!text.isWellFormed()) {
    throw new PatternError({ code: "invalid_utf8", message: "expected text, got a lone surrogate" });
  }
  return accept(parser, text);
}

/**
 * The rules are held against what is stored, which is the JSON text of the value, whatever the value is made of.
 *
 * @throws PatternError, with `index` as its place
 */
export function parseObject(parser: PatternParser, value: unknown, index?: number): StoredPattern {
  let text: string | undefined;
  try {
    text = JSON.stringify(value);
  } catch (cause) {
    throw new PatternError(unwritable(parser, value), index, { cause });
  }
  // A function or a symbol has no JSON text: no object, so the parser says what it is.
  return accept(parser, text ?? "null", index);
}

/** Too deep for JSON.stringify, or a cycle, which is deeper than anything; else a value such as a bigint. */
function unwritable(parser: PatternParser, value: unknown): Rejection {
  const [fault] = parser.faults(value);
  if (fault?.code === "too_deep") return fault;
  return { code: "invalid_json", message: "expected values that JSON can hold" };
}

function accept(parser: PatternParser, text: string, index?: number): StoredPattern {
  const parsed = parser.parseLine(Buffer.from(text, "utf8"));
  if (parsed.kind === "pattern") return parsed.pattern;
  if (parsed.kind === "rejection") throw new PatternError(parsed.rejection, index);
  throw new PatterndError(
    "internal",
    `${parsed.type} is switched off, which the library has no way to ask for`,
  );
}

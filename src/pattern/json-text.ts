/**
 * JSON as text, so that nothing in it changes on the way: numbers beyond 2^53, escapes, the order of keys.
 * Every function expects text that `JSON.parse` takes.
 */
import { createScanner } from "jsonc-parser";

interface Span {
  readonly start: number;
  readonly end: number;
}

interface Member {
  readonly key: Span;
  readonly value: Span;
}

/** Without white space between the tokens: one line. */
export function compact(text: string): string {
  let line = "";
  for (const { start, end } of tokens(text)) line += text.slice(start, end);
  return line;
}

/** The same text for the same content in the same order, however it is spaced and its strings are escaped. */
export function canonical(text: string): string {
  let line = "";
  for (const { start, end } of tokens(text)) {
    const token = text.slice(start, end);
    line += token.startsWith('"') ? JSON.stringify(JSON.parse(token)) : token;
  }
  return line;
}

/** The text of a member's value, undefined if there is none; of two members with one key the last. */
export function memberText(object: string, key: string): string | undefined {
  const value = membersOf(object).get(key)?.value;
  return value && object.slice(value.start, value.end);
}

/** With the member replaced, or added at the end. `value` is JSON. */
export function setMember(object: string, key: string, value: string): string {
  const members = membersOf(object);
  const known = members.get(key)?.value;
  if (known) return replaced(object, known, value);
  const end = object.lastIndexOf("}");
  return replaced(
    object,
    { start: end, end },
    `${members.size === 0 ? "" : ","}${JSON.stringify(key)}:${value}`,
  );
}

/** With a key of the object renamed where it stands. */
export function renameMember(object: string, from: string, to: string): string {
  const key = membersOf(object).get(from)?.key;
  return key ? replaced(object, key, JSON.stringify(to)) : object;
}

function replaced(text: string, { start, end }: Span, by: string): string {
  return text.slice(0, start) + by + text.slice(end);
}

function membersOf(object: string): Map<string, Member> {
  const members = new Map<string, Member>();
  let depth = 0;
  let key: Span | undefined;
  let start: number | undefined;
  let last = 0;
  for (const token of tokens(object)) {
    const first = object.charAt(token.start);
    if (depth === 1) {
      if (key && start !== undefined && (first === "," || first === "}")) {
        members.set(String(JSON.parse(object.slice(key.start, key.end))), {
          key,
          value: { start, end: last },
        });
        key = undefined;
        start = undefined;
      } else if (!key) key = token;
      else if (first !== ":") start ??= token.start;
    }
    if (first === "{" || first === "[") depth += 1;
    if (first === "}" || first === "]") depth -= 1;
    last = token.end;
  }
  return members;
}

function* tokens(text: string): Generator<Span> {
  const scanner = createScanner(text, true);
  scanner.scan();
  // Only the end of the text is a token without length.
  for (let length = scanner.getTokenLength(); length > 0; length = scanner.getTokenLength()) {
    const start = scanner.getTokenOffset();
    yield { start, end: start + length };
    scanner.scan();
  }
}

/**
 * What a scanner (scan.ts) has to look at in a pattern's text, derived from the valibot schema: which keys an object
 * has rules for, of which kind each value is, and what is asked of it once it is read. As with the predicate, a part of
 * valibot that is not known here fails when the schema is compiled, at start.
 */
import { PatterndError } from "../errors.ts";
import { Literal } from "./literal.ts";
import { type Node, type Predicate, predicateOf, required } from "./predicate.ts";
import { isObject, PLAIN_TEXT } from "./schema.ts";

export const ANY = 0;
export const TEXT = 1;
export const NUMBER = 2;
export const BOOLEAN = 3;
export const OBJECT = 4;
export const ANY_OBJECT = 5;
export const LIST = 6;
/** The object whose shape depends on the pattern's type. */
export const DATA = 7;

/** Where a text is noted when it is met: a place for each, `NO_SLOT` for the others. */
export const NO_SLOT = -1;
export const SLOTS = [
  "pattern_id",
  "pattern_type",
  "timestamp",
  "context.project_name",
  "context.session_id",
  "context.host",
  "data.agent",
  "data.agent_type",
  "context.agent",
  "context.timestamp",
  "context.tags",
] as const;
export type Slot = (typeof SLOTS)[number];

export function slotOf(name: Slot): number {
  return SLOTS.indexOf(name);
}

/** How a value is to be read. One form for all of them: the engine reads what has several forms four times as slowly. */
export class Shape {
  readonly kind: number;
  /** Whether null stands for nothing. */
  readonly isNullable: boolean;
  readonly slot: number;
  /** What is asked of the value beyond its kind. */
  readonly accepts: Predicate | undefined;
  /** What that comes to for a text of nothing but printable ASCII: as many characters. */
  readonly plainMin: number;
  readonly plainMax: number;
  /** Texts that are accepted in any case. */
  readonly options: readonly Literal[];
  readonly fields: Fields | undefined;
  readonly item: Shape | undefined;

  constructor(parts: Partial<Shape>) {
    this.kind = parts.kind ?? ANY;
    this.isNullable = parts.isNullable ?? false;
    this.slot = parts.slot ?? NO_SLOT;
    this.accepts = parts.accepts;
    this.plainMin = parts.plainMin ?? 0;
    this.plainMax = parts.plainMax ?? LONGER_THAN_ANY;
    this.options = parts.options ?? [];
    this.fields = parts.fields;
    this.item = parts.item;
  }
}

export interface Field {
  readonly name: Literal;
  /** Its bit among those that were seen. */
  readonly bit: number;
  readonly shape: Shape;
  /** The field that stood behind it the last time. */
  next: Field | undefined;
}

/** As many characters no text has. */
const LONGER_THAN_ANY = 2 ** 30;
/** As many as a number has bits to note which were seen. */
const MAX_FIELDS = 31;
const QUOTE = 0x22;

/** The keys that an object has rules for. */
export class Fields {
  /** The bits of those that have to be there. */
  readonly required: number;
  readonly #table: (Field | undefined)[];
  readonly #mask: number;
  /** The field that stood first the last time. */
  #first: Field | undefined;
  /** What the next one to be found stands behind; undefined at the beginning. */
  #before: Field | undefined;

  constructor(shapes: ReadonlyMap<string, Shape>, requiredKeys: ReadonlySet<string>) {
    this.#mask = 2 ** Math.ceil(Math.log2(4 * (shapes.size + 1))) - 1;
    this.#table = new Array(this.#mask + 1).fill(undefined);
    let bit = 1;
    let required = 0;
    for (const [key, shape] of shapes) {
      const name = new Literal(key);
      let at = hashKey(name.bytes, 0, name.length) & this.#mask;
      while (this.#table[at]) at = (at + 1) & this.#mask;
      this.#table[at] = { name, bit, shape, next: undefined };
      if (requiredKeys.has(key)) required |= bit;
      bit <<= 1;
    }
    this.required = required;
  }

  /** The field that stands at `start` if it is the one that the last sender had there: most senders keep an order. */
  expected(before: Field | undefined, bytes: Uint8Array, view: DataView, start: number): Field | undefined {
    this.#before = before;
    const field = before ? before.next : this.#first;
    if (!field || bytes[start + field.name.length] !== QUOTE) return undefined;
    return field.name.isAt(bytes, view, start) ? field : undefined;
  }

  /** The field whose name stands from `start` to `end`. */
  find(bytes: Uint8Array, view: DataView, start: number, end: number): Field | undefined {
    for (let at = hashKey(bytes, start, end) & this.#mask; ; at = (at + 1) & this.#mask) {
      const field = this.#table[at];
      if (!field) return undefined;
      if (field.name.length !== end - start || !field.name.isAt(bytes, view, start)) continue;
      if (this.#before) this.#before.next = field;
      else this.#first = field;
      return field;
    }
  }
}

/** Names hardly ever agree in their length, their first byte and their last one. */
function hashKey(bytes: Uint8Array, start: number, end: number): number {
  return Math.imul(31 * (bytes[start] ?? 0) + (bytes[end - 1] ?? 0), 31) + end - start;
}

/** The fields of the whole pattern, whatever its type; of `data` they say that there has to be some. */
export function patternFields(schema: Node): Fields {
  const others = Object.entries(required(entriesOf(schema))).filter(([key]) => key !== "data");
  return fieldsOf(Object.fromEntries(others), "", new Map([["data", new Shape({ kind: DATA })]]));
}

/** The shape of `data` of one type; undefined if it has more fields than can be looked at. */
export function dataShape(schema: Node): Shape | undefined {
  const entries = required(entriesOf(required(entriesOf(schema)?.data)));
  return Object.keys(entries).length + 2 > MAX_FIELDS ? undefined : objectShape(entries, "data.");
}

function objectShape(entries: Readonly<Record<string, Node>>, path: string): Shape {
  return new Shape({ kind: OBJECT, fields: fieldsOf(entries, path, new Map()) });
}

/** `shapes`: of what has to be there beside the entries. */
function fieldsOf(entries: Readonly<Record<string, Node>>, path: string, shapes: Map<string, Shape>): Fields {
  const needed = new Set(shapes.keys());
  for (const [key, node] of Object.entries(entries)) {
    shapes.set(key, withSlot(shapeOf(node, `${path}${key}.`), `${path}${key}`));
    if (node.type !== "nullish") needed.add(key);
  }
  // What is looked for although the schema does not name it.
  for (const slot of SLOTS) {
    const key = slot.startsWith(path) ? slot.slice(path.length) : "";
    if (key !== "" && !key.includes(".") && !shapes.has(key)) shapes.set(key, withSlot({}, slot));
  }
  return new Fields(shapes, needed);
}

function withSlot(shape: Partial<Shape>, path: string): Shape {
  const slots: readonly string[] = SLOTS;
  return new Shape({ ...shape, slot: slots.indexOf(path) });
}

function shapeOf(node: Node, path: string): Shape {
  if (node.type === "nullish")
    return new Shape({ ...shapeOf(required(node.wrapped), path), isNullable: true });
  const entries = entriesOf(node);
  if (entries) return objectShape(entries, path);
  switch (node.type) {
    case "string":
      return textShape(node);
    case "picklist":
      return new Shape({ kind: TEXT, accepts: predicateOf(node), ...NEVER_PLAIN, options: optionsOf(node) });
    case "number":
      return new Shape({ kind: NUMBER, accepts: predicateOf(node) });
    case "boolean":
      return new Shape({ kind: BOOLEAN });
    case "unknown":
      return new Shape({});
    case "array":
      return new Shape({ kind: LIST, item: shapeOf(required(node.item), path) });
    case "custom":
      if (node.check === isObject) return new Shape({ kind: ANY_OBJECT });
  }
  throw unknownPart(node.kind, node.type);
}

/** However short or long it is, nothing is known of a plain text. */
const NEVER_PLAIN = { plainMin: LONGER_THAN_ANY };

function optionsOf(node: Node): Literal[] {
  return required(node.options).flatMap((option) =>
    typeof option === "string" ? [new Literal(option)] : [],
  );
}

function textShape(node: Node): Shape {
  const [, ...checks] = node.pipe ?? [node];
  if (checks.length === 0) return new Shape({ kind: TEXT });
  const lengths = checks.map(({ requirement }) => PLAIN_TEXT.get(requirement));
  const [length] = lengths;
  // Other checks are made of every text.
  const plain = lengths.length === 1 && length ? { plainMin: length.min, plainMax: length.max } : NEVER_PLAIN;
  return new Shape({ kind: TEXT, accepts: predicateOf(node), ...plain });
}

/** Of an object of certain keys; undefined for anything else. */
function entriesOf(node: Node): Readonly<Record<string, Node>> | undefined {
  const [first, second, ...others] = node.pipe ?? [node];
  if (first?.type === "loose_object" && !second) return first.entries;
  const isGuarded = first?.type === "custom" && first.check === isObject && others.length === 0;
  return isGuarded && second?.type === "loose_object" ? second.entries : undefined;
}

function unknownPart(kind: string, type: string): PatterndError {
  return new PatterndError("internal", `no scanner for valibot's ${kind} ${type}`);
}

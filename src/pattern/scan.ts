/**
 * Reads a pattern's line without making values of it: whether the text is JSON, whether it fits the schema, and where
 * the texts stand that are indexed. Nearly every line needs no `JSON.parse` then.
 *
 * It may say no to a line that is a pattern (a key written with escapes, a key that is there twice): whoever asks
 * looks again with `JSON.parse` and valibot, which also have the words. It must never say yes to one that is none:
 * that is a property test.
 */
import { hashId, hashOfBytes, type IdHash } from "./id-hash.ts";
import {
  CLOSE_LIST,
  CLOSE_OBJECT,
  COMMA,
  FALSE,
  JsonScanner,
  NO,
  NULL,
  OPEN_LIST,
  OPEN_OBJECT,
  PlainText,
  QUOTE,
  T,
  TRUE,
  textAt,
} from "./json-scanner.ts";
import { Literal } from "./literal.ts";
import { anyPattern, type PatternSchema } from "./schema.ts";
import {
  ANY_OBJECT,
  BOOLEAN,
  DATA,
  dataShape,
  type Field,
  type Fields,
  LIST,
  NO_SLOT,
  NUMBER,
  OBJECT,
  patternFields,
  type Shape,
  SLOTS,
  slotOf,
  TEXT,
} from "./shape.ts";
import type { Characters } from "./timestamp.ts";

const TYPE_SLOT = slotOf("pattern_type");
const TAGS_SLOT = slotOf("context.tags");
/** Two numbers a tag: room that lines with more of them made is not kept. */
const MOST_TAGS_KEPT = 256;

interface Type {
  readonly name: string;
  readonly text: Literal;
  readonly data: Shape;
}

export class LineScanner extends JsonScanner {
  /** Where the text of each slot begins and ends, without its quotes; 0 for one that is not there. */
  readonly places = new Uint32Array(2 * SLOTS.length);
  /** Likewise for each tag, `tagCount` of them: behind those stand a longer line's. */
  readonly tags: number[] = [];
  tagCount = 0;
  readonly #root: Fields;
  readonly #types: readonly Type[];
  readonly #plainText = new PlainText();
  #type: Type | undefined;
  /** Where `data` begins, when it stands before the type that says what to ask of it. */
  #dataAt = 0;

  /** Lines of other types, and of a type with more fields than can be looked at, are for others to read. */
  constructor(schemas: ReadonlyMap<string, PatternSchema>) {
    super();
    this.#root = patternFields(anyPattern);
    this.#types = [...schemas].flatMap(([name, schema]) => {
      const data = dataShape(schema);
      return data ? [{ name, text: new Literal(name), data }] : [];
    });
  }

  /** Of the line that was read last. */
  get type(): string {
    return this.#type?.name ?? "";
  }

  /** Whether the line from `start` to `end` is a pattern; if not, it may be one all the same. */
  scan(bytes: Buffer, start: number, end: number): boolean {
    this.#type = undefined;
    this.#dataAt = 0;
    this.places.fill(0);
    this.tagCount = 0;
    if (this.tags.length > MOST_TAGS_KEPT) this.tags.length = 0;
    let at = this.begin(bytes, start, end);
    if (bytes[at] !== OPEN_OBJECT) return false;
    at = this.#object(at + 1, this.#root);
    if (at === NO || this.gap(at) !== end) return false;
    return this.#dataAt === 0 || this.#data(this.#dataAt) !== NO;
  }

  /** What a slot's text says; undefined if there is none. */
  textOf(slot: number): string | undefined {
    const start = this.places[2 * slot] ?? 0;
    return start === 0 ? undefined : textAt(this.bytes, start, this.places[2 * slot + 1] ?? start);
  }

  /** The same to be read, and not to be kept: it is another line's when the next one is scanned. */
  charactersOf(slot: number): Characters | undefined {
    const start = this.places[2 * slot] ?? 0;
    if (start === 0) return undefined;
    const end = this.places[2 * slot + 1] ?? start;
    return this.plain(start) === end
      ? this.#plainText.on(this.bytes, start, end)
      : textAt(this.bytes, start, end);
  }

  /** As `hashId` hashes the text of the slot, which has to be there. */
  hashOf(slot: number): IdHash {
    const start = this.places[2 * slot] ?? 0;
    const end = this.places[2 * slot + 1] ?? start;
    return this.plain(start) === end
      ? hashOfBytes(this.bytes, start, end)
      : hashId(textAt(this.bytes, start, end));
  }

  tagTexts(): string[] {
    const texts: string[] = [];
    for (let at = 0; at < 2 * this.tagCount; at += 2) {
      texts.push(textAt(this.bytes, this.tags[at] ?? 0, this.tags[at + 1] ?? 0));
    }
    return texts;
  }

  #object(from: number, fields: Fields): number {
    const { bytes, view } = this;
    let at = this.gap(from);
    let seen = 0;
    let field: Field | undefined;
    if (this.opensTooDeep()) return NO;
    for (let isFirst = true; !(isFirst && bytes[at] === CLOSE_OBJECT); isFirst = false) {
      if (bytes[at] !== QUOTE) return NO;
      const start = at + 1;
      field = fields.expected(field, bytes, view, start);
      if (field) at = start + field.name.length;
      else {
        at = this.plain(start);
        if (bytes[at] !== QUOTE) return NO;
        field = fields.find(bytes, view, start, at);
      }
      at = this.colon(at + 1);
      if (at === NO) return NO;
      if (field && (seen & field.bit) !== 0) return NO;
      seen |= field?.bit ?? 0;
      at = field ? this.#valueOf(at, field.shape) : this.value(at);
      if (at === NO) return NO;
      at = this.gap(at);
      if (bytes[at] === CLOSE_OBJECT) break;
      if (bytes[at] !== COMMA) return NO;
      at = this.gap(at + 1);
    }
    this.closes();
    return (seen & fields.required) === fields.required ? at + 1 : NO;
  }

  #valueOf(at: number, what: Shape): number {
    const first = this.bytes[at];
    switch (what.kind) {
      case TEXT:
        return first === QUOTE ? this.#textOf(at, what) : this.#orNull(at, what);
      case NUMBER: {
        const end = this.numeral(at);
        if (end === NO) return this.#orNull(at, what);
        return what.accepts?.(this.number) ? end : NO;
      }
      case BOOLEAN: {
        const end = this.word(at, first === T ? TRUE : FALSE);
        return end === NO ? this.#orNull(at, what) : end;
      }
      case OBJECT:
        return first === OPEN_OBJECT && what.fields
          ? this.#object(at + 1, what.fields)
          : this.#orNull(at, what);
      case ANY_OBJECT:
        return first === OPEN_OBJECT ? this.value(at) : this.#orNull(at, what);
      case LIST:
        return first === OPEN_LIST && what.item
          ? this.#list(at + 1, what.slot, what.item)
          : this.#orNull(at, what);
      case DATA:
        if (this.#type) return this.#data(at);
        this.#dataAt = at;
        return this.value(at);
      default:
        return first === QUOTE ? this.#textOf(at, what) : this.value(at);
    }
  }

  #orNull(at: number, { isNullable }: Shape): number {
    return isNullable ? this.word(at, NULL) : NO;
  }

  #data(at: number): number {
    return this.#type ? this.#valueOf(at, this.#type.data) : NO;
  }

  #textOf(at: number, what: Shape): number {
    const end = this.string(at);
    if (end === NO) return NO;
    const start = at + 1;
    if (what.accepts && !this.#isAccepted(start, end - 1, what)) return NO;
    const { slot } = what;
    if (slot === NO_SLOT) return end;
    this.places[2 * slot] = start;
    this.places[2 * slot + 1] = end - 1;
    return slot === TYPE_SLOT && !this.#readType(start, end - 1) ? NO : end;
  }

  #isAccepted(start: number, end: number, { accepts, plainMin, plainMax, options }: Shape): boolean {
    const length = end - start;
    if (this.isPlain && plainMin <= length && length <= plainMax) return true;
    for (const option of options)
      if (option.length === length && option.isAt(this.bytes, this.view, start)) return true;
    return accepts?.(textAt(this.bytes, start, end)) ?? true;
  }

  #readType(start: number, end: number): boolean {
    for (const type of this.#types) {
      if (type.text.length !== end - start || !type.text.isAt(this.bytes, this.view, start)) continue;
      this.#type = type;
      return true;
    }
    return false;
  }

  #list(from: number, slot: number, item: Shape): number {
    const { bytes } = this;
    let at = this.gap(from);
    if (this.opensTooDeep()) return NO;
    for (let isFirst = true; !(isFirst && bytes[at] === CLOSE_LIST); isFirst = false) {
      const start = at + 1;
      at = this.#valueOf(at, item);
      if (at === NO) return NO;
      if (slot === TAGS_SLOT) this.#noteTag(start, at - 1);
      at = this.gap(at);
      if (bytes[at] === CLOSE_LIST) break;
      if (bytes[at] !== COMMA) return NO;
      at = this.gap(at + 1);
    }
    this.closes();
    return at + 1;
  }

  #noteTag(start: number, end: number): void {
    this.tags[2 * this.tagCount] = start;
    this.tags[2 * this.tagCount + 1] = end;
    this.tagCount += 1;
  }
}

/** Messages of one kind as one text: what varies in them is folded. */

/** More of a message says nothing about its kind, and would only cost time. */
const READ_CHARS = 400;
const SHOWN_CHARS = 160;
const CACHED = 5_000;

/** One pass, so that nothing is folded twice: at each place the first kind that fits. */
const VARYING = new RegExp(
  [
    /(?<url>\b[a-z][a-z0-9+.-]{0,15}:\/\/[^\s'"`<>)]+)/,
    /(?<text>(?<!\w)'[^'\n]*'(?!\w)|"[^"\n]*"|`[^`\n]*`|“[^”\n]*”)/,
    /(?<path>(?<![\w/\\])(?:[a-z]:[\\/]|~[\\/]|\.{1,2}[\\/]|\/(?=[\w.@+-]+[\\/.]))[^\s'"`,;:()<>]+|(?<![\w.@+-])[\w@+-][\w.@+-]*(?:\/[\w.@+-]+)+\.\w+)/,
    /(?<hex>\b(?:0x[0-9a-f]+|[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}|(?=[a-f]*[0-9])(?=[0-9]*[a-f])[0-9a-f]{7,})\b)/,
    /(?<n>\d+(?:[.,:]\d+)*)/,
  ]
    .map(({ source }) => source)
    .join("|"),
  "gi",
);

/** Numbers, paths, URLs, hexadecimal and quoted text are replaced by what they are; only the first line counts. */
export function foldMessage(message: string): string {
  const line = message.slice(0, READ_CHARS).trimStart().split("\n", 1)[0] ?? "";
  const folded = line.replace(VARYING, (...found) => {
    const groups: Record<string, string | undefined> = found.at(-1);
    for (const kind in groups) if (groups[kind] !== undefined) return `<${kind}>`;
    return "";
  });
  return folded.replace(/\s+/g, " ").trim().slice(0, SHOWN_CHARS);
}

/** Remembers what was folded lately: messages repeat. */
export class MessageFolder {
  readonly #known = new Map<string, string>();

  fold(message: string): string {
    if (message.length > READ_CHARS) return foldMessage(message);
    const known = this.#known.get(message);
    if (known !== undefined) return known;
    const folded = foldMessage(message);
    if (this.#known.size >= CACHED) this.#known.clear();
    this.#known.set(message, folded);
    return folded;
  }
}

/** What a source gives, one after the other, whatever kind of source it is. */
export type Found = FoundRecord | FoundFault;

export interface FoundRecord {
  readonly kind: "record";
  readonly origin: Origin;
  /** One JSON text: a line as it stands in a file, or a document over several lines. */
  readonly bytes: Buffer;
  /** `seconds`: its timestamp was cut to whole seconds by who kept it. */
  readonly precision: "full" | "seconds";
  /** Given when `bytes` is only the beginning. */
  readonly whole?: { readonly length: number; readonly sha256: string };
  /** The last line of its file, without a newline. */
  readonly unterminated?: boolean;
}

/** A file that could not be read (to its end), or was passed over. */
export interface FoundFault {
  readonly kind: "unreadable" | "passed_over";
  readonly file: string;
  readonly message: string;
}

export interface Origin {
  readonly file: string;
  /** Of NDJSON, counted from 1; of a list the element, likewise; of a database its row. */
  readonly line?: number;
}

export function originText({ file, line }: Origin): string {
  return line === undefined ? file : `${file}:${line}`;
}

import { Bounded, type Counted, shortened } from "./bounded.ts";
import { textIn } from "./fields.ts";
import { MessageFolder } from "./message.ts";
import { Timeline, type TimelineFrame } from "./timeline.ts";

const RESOLUTIONS = 5;
const TEXT_CHARS = 300;

export interface ErrorEntry extends Counted {
  readonly errorType: string;
  /** Folded; undefined of a whole type. */
  readonly message: string | undefined;
  /** As the newest one says it. */
  example: string;
  firstMs: number;
  lastMs: number;
  /** How many were resolved: by themselves, or with a resolution written down. */
  resolved: number;
  /** With how often each was given. */
  readonly resolutions: Map<string, number>;
  readonly timeline: Timeline;
}

export class ErrorTally {
  total = 0;
  resolved = 0;
  readonly types: Bounded<ErrorEntry>;
  readonly messages: Bounded<ErrorEntry>;
  readonly #folder = new MessageFolder();
  /** Of what is counted at the moment. */
  #current = { errorType: "", message: "", example: "" };

  constructor(frame: TimelineFrame) {
    const entry = (name: string, message: string | undefined): ErrorEntry => ({
      name,
      errorType: this.#current.errorType,
      message,
      example: this.#current.example,
      count: 0,
      firstMs: Number.POSITIVE_INFINITY,
      lastMs: Number.NEGATIVE_INFINITY,
      resolved: 0,
      resolutions: new Map(),
      timeline: new Timeline(frame),
    });
    this.types = new Bounded((name) => entry(name, undefined));
    this.messages = new Bounded((name) => entry(name, this.#current.message));
  }

  add(ms: number, data: Record<string, unknown>): void {
    const errorType = shortened(textIn(data, "error_type") ?? "?");
    const example = textIn(data, "error_message") ?? "";
    const message = this.#folder.fold(example);
    this.#current = { errorType, message, example: shortened(example, TEXT_CHARS) };
    const resolution = textIn(data, "resolution")?.trim();
    const isResolved = Boolean(resolution) || data.auto_resolved === true;
    this.total += 1;
    if (isResolved) this.resolved += 1;
    for (const entry of [this.types.count(errorType), this.messages.count(messageKey(errorType, message))]) {
      entry.firstMs = Math.min(entry.firstMs, ms);
      const { example: newest } = this.#current;
      if (ms > entry.lastMs || (ms === entry.lastMs && newest < entry.example)) entry.example = newest;
      entry.lastMs = Math.max(entry.lastMs, ms);
      entry.timeline.add(ms);
      if (isResolved) entry.resolved += 1;
      if (resolution) countResolution(entry.resolutions, shortened(resolution, TEXT_CHARS));
    }
  }
}

function messageKey(errorType: string, message: string): string {
  return `${shortened(errorType, 60)}\n${message}`;
}

function countResolution(resolutions: Map<string, number>, resolution: string): void {
  const known = resolutions.get(resolution);
  if (known !== undefined || resolutions.size < RESOLUTIONS) resolutions.set(resolution, (known ?? 0) + 1);
}

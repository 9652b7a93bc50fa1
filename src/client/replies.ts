/** What a daemon says to a sender, one JSON object a line (docs/protocol.md). Anything else is not a daemon's. */

/** As it stands on the wire. */
export interface Receipt {
  readonly lines: number;
  readonly stored: number;
  readonly rejected: number;
  readonly not_collected: number;
}

export interface LineRejection {
  /** From 1, blank lines apart. */
  readonly line: number;
  readonly code: string;
  readonly path?: string;
  readonly message: string;
  readonly pattern_id?: string;
}

export function receiptIn(reply: unknown): Receipt | undefined {
  const receipt = at(reply, "receipt");
  const count = (key: string) => {
    const value = at(receipt, key);
    return typeof value === "number" ? value : Number.NaN;
  };
  const found = {
    lines: count("lines"),
    stored: count("stored"),
    rejected: count("rejected"),
    not_collected: count("not_collected"),
  };
  return Object.values(found).some(Number.isNaN) ? undefined : found;
}

export function rejectionIn(reply: unknown): LineRejection | undefined {
  const reject = at(reply, "reject");
  const [line, code, message] = ["line", "code", "message"].map((key) => at(reject, key));
  if (typeof line !== "number" || typeof code !== "string" || typeof message !== "string") return undefined;
  const [path, pattern_id] = [at(reject, "path"), at(reject, "pattern_id")];
  return {
    line,
    code,
    message,
    ...(typeof path === "string" ? { path } : {}),
    ...(typeof pattern_id === "string" ? { pattern_id } : {}),
  };
}

/** How many lines since the hello are settled. */
export function ackIn(reply: unknown): number | undefined {
  const lines = at(reply, "ack");
  return typeof lines === "number" ? lines : undefined;
}

export function isHello(reply: unknown): boolean {
  return at(reply, "hello") === 1;
}

function at(value: unknown, key: string): unknown {
  return typeof value === "object" && value !== null ? Reflect.get(value, key) : undefined;
}

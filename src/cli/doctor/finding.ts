/** One look at one thing. */
export interface Look {
  /** What was looked at. */
  readonly check: string;
  /** `trouble` keeps something from working; `warning` may, one day. */
  readonly outcome: "ok" | "warning" | "trouble";
  readonly found: string;
  /** What to do about it. */
  readonly advice?: string;
}

export function ok(check: string, found: string): Look {
  return { check, outcome: "ok", found };
}

export function warning(check: string, found: string, advice: string): Look {
  return { check, outcome: "warning", found, advice };
}

export function trouble(check: string, found: string, advice: string): Look {
  return { check, outcome: "trouble", found, advice };
}

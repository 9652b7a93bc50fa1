import * as v from "valibot";

/** One look at one thing. */
export const lookSchema = v.strictObject({
  check: v.pipe(v.string(), v.description("What was looked at.")),
  outcome: v.pipe(
    v.picklist(["ok", "warning", "trouble"]),
    v.description("A trouble keeps something from working, a warning may one day."),
  ),
  found: v.string(),
  advice: v.optional(v.pipe(v.string(), v.description("What to do about it."))),
});
export type Look = v.InferOutput<typeof lookSchema>;

export function ok(check: string, found: string): Look {
  return { check, outcome: "ok", found };
}

export function warning(check: string, found: string, advice: string): Look {
  return { check, outcome: "warning", found, advice };
}

export function trouble(check: string, found: string, advice: string): Look {
  return { check, outcome: "trouble", found, advice };
}

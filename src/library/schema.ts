import * as v from "valibot";
import { PatternParser } from "../pattern/parse.ts";
import type { RejectionCode } from "../pattern/rejection.ts";
import {
  type AgentUsageData,
  agentUsageData,
  type DeclaredTypes,
  type ErrorOccurrenceData,
  errorOccurrenceData,
  type PatternContext,
  patternContext,
  type TaskCompletionData,
  taskCompletionData,
  type UserCorrectionData,
  userCorrectionData,
} from "../pattern/schema.ts";
import { Zone } from "../pattern/zone.ts";
import { parseTypes } from "./options.ts";
import type { NoTypes, Pattern } from "./pattern.ts";

/** One thing that is wrong with a value. */
export interface Issue {
  readonly code: RejectionCode;
  /** The field, as a dotted path from the pattern's root; undefined when it is the value as a whole. */
  readonly path: string | undefined;
  readonly message: string;
}

/** The daemon's rules for values as `JSON.parse` gives them. Nothing is altered, nothing thrown for a bad value. */
export interface PatternChecks<Types extends DeclaredTypes> {
  validatePattern(value: unknown): value is Pattern<Types>;
  /** The `data` of a pattern of this type; likewise the next three. */
  validateTaskCompletion(value: unknown): value is TaskCompletionData;
  validateErrorOccurrence(value: unknown): value is ErrorOccurrenceData;
  validateAgentUsage(value: unknown): value is AgentUsageData;
  validateUserCorrection(value: unknown): value is UserCorrectionData;
  /** The `context` of a pattern. */
  validateContext(value: unknown): value is PatternContext;
  /** Everything that is wrong with a pattern; an empty list when nothing is. */
  issues(value: unknown): Issue[];
  /**
   * The same checks, with these types beside the built-in ones.
   *
   * @throws PatterndError `bad_request` when they are not declared as docs/library.md says.
   */
  withTypes<const Declared extends DeclaredTypes>(types: Declared): PatternChecks<Declared>;
}

export const PatternSchema: PatternChecks<NoTypes> = checksFor<NoTypes>({});

function checksFor<Types extends DeclaredTypes>(types: DeclaredTypes): PatternChecks<Types> {
  const parser = new PatternParser({ zone: Zone.host(), types });
  return {
    validatePattern: (value): value is Pattern<Types> => parser.faults(value).length === 0,
    validateTaskCompletion: (value): value is TaskCompletionData => v.is(taskCompletionData, value),
    validateErrorOccurrence: (value): value is ErrorOccurrenceData => v.is(errorOccurrenceData, value),
    validateAgentUsage: (value): value is AgentUsageData => v.is(agentUsageData, value),
    validateUserCorrection: (value): value is UserCorrectionData => v.is(userCorrectionData, value),
    validateContext: (value): value is PatternContext => v.is(patternContext, value),
    issues: (value) => parser.faults(value).map(({ code, path, message }) => ({ code, path, message })),
    withTypes: <Declared extends DeclaredTypes>(declared: Declared) =>
      checksFor<Declared>(parseTypes(declared)),
  };
}

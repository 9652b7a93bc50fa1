/** Patterns as the library's users see them: objects, told apart by `pattern_type`. */
import { PatternTypes } from "../pattern/pattern.ts";
import type {
  AgentUsageData,
  PatternType as BuiltInType,
  DeclaredTypes,
  ErrorOccurrenceData,
  FieldKind,
  PatternContext,
  TaskCompletionData,
  UserCorrectionData,
} from "../pattern/schema.ts";

/** The built-in types: `PatternType.TASK_COMPLETION` and so on. */
export const PatternType = PatternTypes;
export type PatternType = BuiltInType;

/** What every pattern has. Unknown keys are kept, and `null` counts as absent. */
export interface PatternOf<Type extends string, Data> {
  /** 1 to 256 characters. */
  pattern_id: string;
  pattern_type: Type;
  /** `YYYY-MM-DD[Thh:mm[:ss[.fraction]]][Z|±hh:mm]`; without a zone it is read in the store's. */
  timestamp: string;
  data: Data;
  context?: PatternContext | null | undefined;
  version?: string | null | undefined;
  [key: string]: unknown;
}

export type TaskCompletionPattern = PatternOf<"task_completion", TaskCompletionData>;
export type ErrorOccurrencePattern = PatternOf<"error_occurrence", ErrorOccurrenceData>;
export type AgentUsagePattern = PatternOf<"agent_usage", AgentUsageData>;
export type UserCorrectionPattern = PatternOf<"user_correction", UserCorrectionData>;

interface FieldTypes {
  string: string;
  integer: number;
  number: number;
  boolean: boolean;
  list: unknown[];
  object: Record<string, unknown>;
}

type DeclaredData<Fields extends Readonly<Record<string, FieldKind>>> = string extends keyof Fields
  ? Record<string, unknown>
  : { -readonly [Key in keyof Fields]: FieldTypes[Fields[Key]] } & { [key: string]: unknown };

/** Patterns of the types that were declared to `open`, each with the fields that its `data` must have. */
export type DeclaredPattern<Types extends DeclaredTypes> = {
  [Type in keyof Types & string]: PatternOf<Type, DeclaredData<Types[Type]["required"]>>;
}[keyof Types & string];

export type NoTypes = Record<never, never>;

/**
 * One pattern, told apart by `pattern_type`. A store may hold types that this program did not declare, such as those
 * of the daemon's configuration: `Pattern<DeclaredTypes>` is the form that any of them has.
 */
export type Pattern<Types extends DeclaredTypes = NoTypes> =
  | TaskCompletionPattern
  | ErrorOccurrencePattern
  | AgentUsagePattern
  | UserCorrectionPattern
  | DeclaredPattern<Types>;

/** What a program emits: a pattern, of which the client fills in what is absent. */
import { v7 as uuidv7 } from "uuid";
import type {
  AgentUsageData,
  ErrorOccurrenceData,
  PatternContext,
  TaskCompletionData,
  UserCorrectionData,
} from "../pattern/schema.ts";
import { localTimestamp, type Surroundings } from "./surroundings.ts";

interface DataOf {
  readonly task_completion: TaskCompletionData;
  readonly error_occurrence: ErrorOccurrenceData;
  readonly agent_usage: AgentUsageData;
  readonly user_correction: UserCorrectionData;
}

/** Types that the daemon's configuration declares have any data. */
export interface Emission<Type extends string = string> {
  readonly pattern_type: Type;
  readonly data: Type extends keyof DataOf ? DataOf[Type] : Readonly<Record<string, unknown>>;
  /** Default: a new UUIDv7. */
  readonly pattern_id?: string | undefined;
  /** Default: now. */
  readonly timestamp?: string | Date | undefined;
  /** Host, project, branch and session are filled in. */
  readonly context?: PatternContext | null | undefined;
  readonly version?: string | undefined;
}

/**
 * The pattern as a line with its newline.
 *
 * @throws whatever the pattern's own getters and `toJSON` throw, and TypeError for what JSON can't say (cycles,
 *   BigInt, no object at all).
 */
export function lineOf(emission: Emission, about: Surroundings | PatternContext): string {
  const { pattern_id, pattern_type, timestamp, data, context, version } = emission;
  // One literal of a fixed shape: copying the emission with its unknown keys takes as long as all the rest.
  const pattern = {
    pattern_id: pattern_id ?? uuidv7(),
    pattern_type,
    timestamp: timestamp ?? localTimestamp(new Date()),
    data,
    context: Object.assign({}, about, context),
    version,
  };
  return `${JSON.stringify(pattern)}\n`;
}

/** The library: what programs import from "patternd" (docs/library.md). */
export type { Recommendation, Report } from "./analysis/report-schema.ts";
export { type ErrorCode, PatterndError } from "./errors.ts";
export { PatternError } from "./library/error.ts";
export { type MigrationPlace, migrate } from "./library/migrate.ts";
export type {
  CompressionOptions,
  DaemonOptions,
  DeletionOptions,
  StorageOptions,
} from "./library/options.ts";
export {
  type AgentUsagePattern,
  type DeclaredPattern,
  type ErrorOccurrencePattern,
  type Pattern,
  PatternType,
  type TaskCompletionPattern,
  type UserCorrectionPattern,
} from "./library/pattern.ts";
export type { AnalysisOptions, QueryOptions } from "./library/query.ts";
export { type Issue, type PatternChecks, PatternSchema } from "./library/schema.ts";
export { type PatternPage, PatternStorage } from "./library/storage.ts";
export type { RejectionCode } from "./pattern/rejection.ts";
export type {
  AgentUsageData,
  DeclaredTypes,
  ErrorOccurrenceData,
  FieldKind,
  PatternContext,
  TaskCompletionData,
  UserCorrectionData,
} from "./pattern/schema.ts";
export type { Outcome } from "./pattern/settlement.ts";
export type { StoreRepair } from "./store/backend.ts";
export type { Migrated, MigrateOptions, MigrationProgress } from "./store/migrate.ts";

/** What the event loop and a store's thread say to each other. */

import type { Periods } from "../analysis/period.ts";
import { isErrorCode, messageOf, PatterndError, systemCode } from "../errors.ts";
import type { PackedPatterns } from "../pattern/packed.ts";
import {
  type Counted,
  type Exceptions,
  NotStorable,
  type OpenOptions,
  type Outcome,
  type PageRequest,
  type StoreMetadata,
  type StoreRepair,
} from "./backend.ts";
import type { Filter } from "./filter.ts";
import type { BackendKind } from "./open.ts";

export interface ThreadData {
  readonly kind: BackendKind;
  readonly options: Omit<OpenOptions, "onRepair" | "onSynced">;
}

export type Call =
  | { readonly method: "write"; readonly patterns: PackedPatterns }
  | { readonly method: "get"; readonly id: string }
  | { readonly method: "query"; readonly filter: Filter; readonly page: PageRequest }
  | { readonly method: "stats" }
  | { readonly method: "analyse"; readonly filter: Filter; readonly periods: Periods }
  | {
      readonly method: "deleteOlderThan";
      readonly cutoff: bigint;
      readonly exceptions: Exceptions | undefined;
    }
  | {
      readonly method: "countOlderThan";
      readonly cutoff: bigint;
      readonly exceptions: Exceptions | undefined;
      readonly of: Counted | undefined;
    }
  | { readonly method: "compress"; readonly beforeDay: number }
  | { readonly method: "forget"; readonly ids: readonly string[] }
  | { readonly method: "refuse"; readonly ids: readonly string[] }
  /** Answered when everything before it is, and between the steps of a long call. */
  | { readonly method: "ping" }
  | { readonly method: "close" };

export type Request = Call & { readonly number: number };

export type Reply =
  | { readonly opened: StoreMetadata; readonly repairs: readonly StoreRepair[] }
  /** So many patterns more are deleted. */
  | { readonly number: number; readonly deleted: number }
  | { readonly number: number; readonly result: unknown }
  | { readonly number: number | undefined; readonly error: PlainError };

/** What a write results in. */
export interface Written {
  readonly outcomes: Uint8Array<ArrayBuffer>;
  /** What its fsyncs took; undefined if there were none. */
  readonly syncMs: number | undefined;
  /** The memory of a large batch, moved back. */
  readonly spent: ArrayBuffer | undefined;
}

const OUTCOMES = ["stored", "replaced", "superseded"] as const satisfies readonly Outcome[];

/** A batch's outcomes as they cross: a number each. */
export function packOutcomes(outcomes: readonly Outcome[]): Uint8Array<ArrayBuffer> {
  const packed = new Uint8Array(outcomes.length);
  let at = 0;
  for (const outcome of outcomes) {
    packed[at] = OUTCOMES.indexOf(outcome);
    at += 1;
  }
  return packed;
}

export function unpackOutcomes(packed: Uint8Array): Outcome[] {
  const outcomes: Outcome[] = [];
  for (const number of packed) {
    const outcome = OUTCOMES[number];
    if (outcome === undefined)
      throw new PatterndError("internal", `the store answered with outcome ${number}`);
    outcomes.push(outcome);
  }
  return outcomes;
}

/** An error without its class, which does not survive the crossing. */
export interface PlainError {
  readonly kind: "not_storable" | "patternd" | "other";
  readonly code: string | undefined;
  readonly hint: string | undefined;
  readonly message: string;
  readonly systemCode: string | undefined;
}

export function toPlain(error: unknown): PlainError {
  const known = error instanceof PatterndError ? error : undefined;
  return {
    kind: error instanceof NotStorable ? "not_storable" : known ? "patternd" : "other",
    code: known?.code,
    hint: known?.hint,
    message: messageOf(error),
    systemCode: systemCode(error),
  };
}

export function fromPlain(error: PlainError): Error {
  if (error.kind === "not_storable") return new NotStorable(error.message);
  const cause = error.systemCode && Object.assign(new Error(error.message), { code: error.systemCode });
  return new PatterndError(isErrorCode(error.code) ? error.code : "internal", error.message, {
    ...(cause ? { cause } : {}),
    ...(error.hint === undefined ? {} : { hint: error.hint }),
  });
}

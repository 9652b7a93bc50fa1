import { loadConfig } from "../config/load.ts";
import { messageOf, PatterndError, systemCode } from "../errors.ts";
import { checkerOf } from "../store/check.ts";
import { type Finding, kindOf, type Repaired, type StoreChecker, type Tally } from "../store/finding.ts";
import type { CheckAnswer } from "./answers.ts";
import { configuredPlace, parsePlace, placeText } from "./place.ts";
import { counted, progress } from "./progress.ts";
import { print, printable } from "./terminal.ts";

interface Flags {
  config?: string | undefined;
  json: boolean;
  store?: string | undefined;
  repair: boolean;
}

/** `patternd check-store [--repair]`: 0 if the store is whole, at last. */
export async function checkStore(flags: Flags): Promise<number> {
  const place =
    flags.store === undefined
      ? configuredPlace(loadConfig({ file: flags.config, env: process.env }))
      : parsePlace("--store", flags.store);
  const store = placeText(place);
  try {
    return (await isWhole(await checkerOf(place), flags, store)) ? 0 : 1;
  } catch (error) {
    throw inTermsOf(store, error);
  }
}

async function isWhole(checker: StoreChecker, flags: Flags, store: string): Promise<boolean> {
  const findings = await check(checker, flags, store);
  if (!flags.repair || findings === 0) return findings === 0;
  let repaired = 0;
  for await (const one of checker.repair()) {
    repaired += 1;
    await print(repairText(one, flags.json));
  }
  return repaired > 0 && (await check(checker, flags, store)) === 0;
}

/** Returns how many findings make the store less than whole. */
async function check(checker: StoreChecker, { json, repair }: Flags, store: string): Promise<number> {
  const tally: Tally = {
    patterns: 0,
    bytes: 0,
    onProgress: progress(
      () => `${counted(tally.patterns, "pattern")}, ${counted(tally.bytes, "byte")} checked`,
    ),
  };
  let findings = 0;
  let remarks = 0;
  for await (const finding of checker.check(tally)) {
    if (kindOf(finding.kind).isRemark) remarks += 1;
    else findings += 1;
    await print(findingText(finding, json, repair));
  }
  const { patterns, bytes } = tally;
  const whole = findings === 0 ? "whole" : counted(findings, "finding");
  await print(
    json
      ? asLine({ checked: { store, patterns, bytes, findings, remarks } })
      : `${store}: ${counted(patterns, "pattern")}, ${counted(bytes, "byte")}: ${whole}\n`,
  );
  return findings;
}

function findingText(finding: Finding, isJson: boolean, isRepairing: boolean): string {
  const { expected, repair, advice, isRemark } = kindOf(finding.kind);
  const { kind, file, line, byte, found } = finding;
  const row = finding.row === undefined ? undefined : String(finding.row);
  if (isJson) {
    const remark = isRemark ?? false;
    return asLine({ finding: { kind, file, line, byte, row, found, expected, repair, advice, remark } });
  }
  const where = [
    ...(line === undefined ? [] : [`line ${line}`]),
    ...(byte === undefined ? [] : [`byte ${byte}`]),
    ...(row === undefined ? [] : [`row ${row}`]),
  ].join(", ");
  const remedy = repair === undefined ? "" : `${isRepairing ? "repair" : "--repair"}: ${repair}. `;
  const text = `${file}${where === "" ? "" : ` (${where})`}: ${kind}: ${found}; expected ${expected}`;
  return `${printable(text)}\n${remedy === "" && advice === undefined ? "" : `  ${remedy}${advice ?? ""}`.trimEnd()}\n`;
}

function repairText({ finding, keptAs }: Repaired, isJson: boolean): string {
  const { kind, file, line, byte } = finding;
  if (isJson) {
    const row = finding.row === undefined ? undefined : String(finding.row);
    return asLine({ repaired: { kind, file, line, byte, row, kept_as: keptAs } });
  }
  const at = line === undefined ? "" : ` (line ${line})`;
  return `${printable(`repaired ${kind} in ${file}${at}${keptAs === undefined ? "" : `, kept in ${keptAs}`}`)}\n`;
}

function asLine(answer: CheckAnswer): string {
  return `${JSON.stringify(answer)}\n`;
}

function inTermsOf(store: string, error: unknown): unknown {
  const cause = error;
  if (!(error instanceof PatterndError)) {
    if (systemCode(error) === undefined) return error;
    const hint = "Check its permissions, and the space and health of its disk.";
    return new PatterndError("store_failed", `${store}: ${messageOf(error)}`, { cause, hint });
  }
  if (error.code !== "store_locked") return error;
  const hint = "Stop the daemon, then run this again: a repair needs the store for itself.";
  return new PatterndError("store_locked", error.message, { cause, hint });
}

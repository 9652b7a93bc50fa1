/** What stands in a store's folders besides what its files say: whose it is, and who may read it. */

import { lstatSync, readdirSync, type Stats } from "node:fs";
import { join } from "node:path";
import { systemCode } from "../../../errors.ts";
import { isTaken } from "../../durable.ts";
import { isOpenToOthers } from "../../finding.ts";
import { statOf } from "../../plain-file.ts";
import { UPKEEP_FILE } from "../../upkeep-file.ts";
import { ASIDE_FOLDER, FORGOTTEN_FILE, LOCK_FILE, METADATA_FILE, parseDay } from "../layout.ts";
import { type Fault, fault } from "./fault.ts";

const FILE_MODE = 0o600;
const FOLDER_MODE = 0o700;
const TYPE = "[a-z][a-z0-9_]{0,63}";
const SEGMENT = new RegExp(`^${TYPE}\\.ndjson(\\.gz)?$`);
const INDEX = new RegExp(`^\\.(${TYPE})(\\.gz)?\\.index$`);
const UNPUBLISHED = new RegExp(`^(\\.replaced|${TYPE}\\.ndjson\\.gz)\\.new$`);
const DEPTH_OF_DAYS = 3;
const OWN_FILES = [METADATA_FILE, LOCK_FILE, FORGOTTEN_FILE, UPKEEP_FILE];

type Form = "file" | "folder" | "leftover" | "index" | undefined;

export function* checkEntries(root: string): Generator<Fault, void> {
  yield* checkFolder(root, "", 0);
}

function* checkFolder(root: string, path: string, depth: number): Generator<Fault, void> {
  for (const name of namesIn(join(root, path))) {
    const inner = path === "" ? name : `${path}/${name}`;
    const file = join(root, inner);
    const stat = lstatSync(file, { throwIfNoEntry: false });
    if (!stat) continue;
    const form = path === ASIDE_FOLDER ? "file" : formOf(name, depth);
    yield* entryFaults(file, stat, form);
    if (form !== "folder" || !statOf(file)?.isDirectory()) continue;
    if (depth === DEPTH_OF_DAYS - 1 && parseDay(inner) === undefined)
      yield fault({ kind: "not_ours", file, found: "a folder of no day" });
    else yield* checkFolder(root, inner, depth + 1);
  }
}

function formOf(name: string, depth: number): Form {
  if (depth === 0) {
    if (OWN_FILES.includes(name)) return "file";
    if (OWN_FILES.some((own) => name === `${own}.new`)) return "leftover";
    return name === ASIDE_FOLDER || /^\d{4}$/.test(name) ? "folder" : undefined;
  }
  if (depth < DEPTH_OF_DAYS) return /^\d{2}$/.test(name) ? "folder" : undefined;
  if (UNPUBLISHED.test(name)) return "leftover";
  if (INDEX.test(name)) return "index";
  return name === ".replaced" || SEGMENT.test(name) ? "file" : undefined;
}

function* entryFaults(file: string, stat: Stats, form: Form): Generator<Fault, void> {
  if (stat.isSymbolicLink()) {
    const inTheWay = form === "leftover" ? undefined : linkInTheWay(file, form);
    if (inTheWay === undefined) yield fault({ kind: "link", file, found: "a symbolic link" });
    else yield fault({ kind: "obstacle", file, found: inTheWay });
    return;
  }
  if (form === undefined) {
    yield fault({ kind: "not_ours", file, found: "nothing that patternd made" });
    return;
  }
  if (form === "folder" ? !stat.isDirectory() : !stat.isFile()) {
    yield fault({
      kind: "obstacle",
      file,
      found: `something else than a ${form === "folder" ? "folder" : "plain file"}`,
    });
    return;
  }
  const wanted = form === "folder" ? FOLDER_MODE : FILE_MODE;
  const mode = stat.mode & 0o7777;
  if (form === "leftover") {
    const found = `${stat.size} bytes that were never put in their place`;
    yield fault({ kind: "leftover", file, found }, { remedy: { does: "move aside" }, settles: true });
  } else if (isOpenToOthers(mode)) {
    const found = `mode ${mode.toString(8).padStart(4, "0")}`;
    yield fault({ kind: "mode_wrong", file, found }, { remedy: { does: "set mode", mode: wanted } });
  }
  if (form === "index" && !hasSegment(file)) {
    const found = "an index without its segment";
    yield fault({ kind: "index_unfit", file, found }, { remedy: { does: "index anew" }, settles: true });
  }
}

/** Links are followed: what one leads to must be what belongs there. */
function linkInTheWay(file: string, form: Exclude<Form, "leftover">): string | undefined {
  const stat = statOf(file);
  if (form === undefined || (form === "folder" ? stat?.isDirectory() : stat?.isFile())) return undefined;
  if (!stat) return "a link that leads nowhere";
  return `a link to something else than a ${form === "folder" ? "folder" : "plain file"}`;
}

function hasSegment(index: string): boolean {
  const name = index.slice(index.lastIndexOf("/") + 1);
  const [, type = "", packed = ""] = INDEX.exec(name) ?? [];
  return isTaken(join(index, "..", `${type}.ndjson${packed}`));
}

function namesIn(folder: string): string[] {
  try {
    return readdirSync(folder).sort();
  } catch (error) {
    // Upkeep removes folders that are empty.
    if (systemCode(error) === "ENOENT") return [];
    throw error;
  }
}

import { join } from "node:path";
import * as v from "valibot";
import { get, isHang } from "../../client/http.ts";
import { type Config, loadConfig } from "../../config/load.ts";
import { clientSockets } from "../../config/sockets.ts";
import { messageOf, PatterndError } from "../../errors.ts";
import { probableHolder } from "../../store/lock.ts";
import { storeFile } from "../../store/sqlite/file.ts";
import { VERSION } from "../../version.ts";
import type { AskFlags } from "../query.ts";
import { healthSchema } from "../status.ts";
import { print, printable } from "../terminal.ts";
import { type Look, ok, trouble, warning } from "./finding.ts";
import { lookAtDisk, lookAtOwner, lookAtWaiting, ownerOf } from "./places.ts";
import { isThere, lookAtSocket } from "./sockets.ts";
import { lookAtStore } from "./store.ts";

const PROBE_MS = 5_000;
const MARKS = { ok: "ok", warning: "!", trouble: "!!" } as const;

/** `patternd doctor`: looks for the usual troubles and says what to do. 0 if there is none, 1 otherwise. */
export async function doctor(flags: AskFlags): Promise<number> {
  let troubles = 0;
  for await (const look of looks(flags)) {
    if (look.outcome === "trouble") troubles += 1;
    await print(flags.json ? `${JSON.stringify(look)}\n` : lookText(look));
  }
  return troubles === 0 ? 0 : 1;
}

async function* looks(flags: AskFlags): AsyncGenerator<Look> {
  let config: Config;
  try {
    config = loadConfig({ file: flags.config, env: process.env });
  } catch (error) {
    const hint = error instanceof PatterndError ? error.hint : "";
    yield trouble("configuration", messageOf(error), hint);
    return;
  }
  yield ok("configuration", config.file ?? "defaults: there is no file");
  const sockets = clientSockets(config, process.env, flags.socket);
  const pathOf = async (name: "ingest" | "query" | "control") => {
    const [first = config[name].socket] = sockets[name];
    const paths = flags.socket === undefined ? sockets[name] : [first];
    for (const path of paths) if ((await lookAtSocket(name, path, true)).outcome === "ok") return path;
    // One that is there and not for this user says more than one that is not there.
    return paths.find(isThere) ?? first;
  };
  for (const name of ["ingest", "query", "control"] as const)
    yield lookAtSocket(name, await pathOf(name), name !== "control");
  const { pid, looks } = await lookAtDaemon(config, await pathOf("query"));
  const isRunning = pid !== undefined;
  yield* looks;
  const store = config.backend === "sqlite" ? storeFile(config.path) : config.path;
  const owner = ownerOf(pid, store);
  yield lookAtOwner("owner of the store", store, owner);
  for (const [what, path] of [
    ["spool", config.queue.spoolPath],
    ["outbox", config.outbox.path],
    ["rejected lines", config.rejected.path],
  ] as const)
    yield lookAtOwner(`owner of the ${what}`, path, owner);
  yield lookAtDisk("disk of the store", config.path);
  yield lookAtDisk("disk of the spool", config.queue.spoolPath);
  yield lookAtWaiting("outbox", config.outbox.path, isRunning);
  yield lookAtWaiting("spool", config.queue.spoolPath, isRunning);
  yield* await lookAtStore(config);
}

/** What a daemon that answers says of itself, held against what this command knows. */
async function lookAtDaemon(
  config: Config,
  path: string,
): Promise<{ pid: number | undefined; looks: Look[] }> {
  let body: string;
  try {
    ({ body } = await get(path, "/health", PROBE_MS));
  } catch (error) {
    if (isHang(error)) return hanging(config, path);
    const advice = "Start it: `patternd start`. Meanwhile `emit` leaves patterns in the outbox.";
    return { pid: undefined, looks: [warning("daemon", "none answers", advice)] };
  }
  const { version, pid, status, reasons, store } = v.parse(healthSchema, JSON.parse(body));
  const looks: Look[] = [];
  if (status === "ready") looks.push(ok("daemon", `process ${pid} is ready`));
  else
    looks.push(
      trouble(
        "daemon",
        `degraded: ${reasons.join("; ")}`,
        "Look at its log; docs/operations.md says what each reason means.",
      ),
    );
  if (version === VERSION) looks.push(ok("version", version));
  else
    looks.push(
      warning(
        "version",
        `the daemon is ${version}, this command ${VERSION}`,
        "Restart the daemon after an upgrade.",
      ),
    );
  if (store.backend !== config.backend || store.path !== config.path) {
    const found = `the daemon writes to ${store.backend}:${store.path}, the configuration names ${config.backend}:${config.path}`;
    looks.push(
      warning(
        "configuration in force",
        found,
        "Restart the daemon, or name its configuration with --config.",
      ),
    );
  }
  return { pid, looks };
}

/** Who it is says the lock on its spool, as far as this user may read it. */
function hanging(config: Config, path: string): { pid: number | undefined; looks: Look[] } {
  let pid: number | undefined;
  try {
    pid = probableHolder(join(config.queue.spoolPath, ".lock"));
  } catch {
    pid = undefined;
  }
  const found = `${pid === undefined ? "the process that listens" : `process ${pid}`} does not answer on ${path}`;
  const advice =
    "It is stopped or hangs: look at its log and its disks, or restart it (under systemd: `systemctl restart patternd`).";
  return { pid, looks: [trouble("daemon", found, advice)] };
}

function lookText({ check, outcome, found, advice }: Look): string {
  const text = `${MARKS[outcome].padEnd(3)} ${check}: ${printable(found)}\n`;
  return advice === undefined ? text : `${text}    ${advice}\n`;
}

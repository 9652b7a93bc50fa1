import { constants } from "node:os";
import { loadConfig } from "../config/load.ts";
import { startDaemon } from "../daemon.ts";

/** SIGHUP too: a terminal that is closed must not cut the daemon short. */
const SIGNALS = ["SIGTERM", "SIGINT", "SIGHUP"] as const;

/**
 * `patternd start`: runs until a signal ends it, then finishes what is on its way. A second signal does not wait.
 *
 * @returns the exit status: 0 when everything that was received is settled.
 */
export async function start(
  flags: { config?: string | undefined },
  exitAtOnce: (code: number) => void,
): Promise<number> {
  const signalled = firstSignal(exitAtOnce);
  const daemon = await startDaemon(loadConfig({ file: flags.config, env: process.env }));
  const failed = daemon.failed.then(() => undefined);
  const signal = await Promise.race([signalled, failed]);
  const status = await daemon.stop(signal ?? "failure");
  return signal === undefined ? 1 : status;
}

/** Listens from now on: a signal while the daemon starts must not cut it short. */
function firstSignal(onSecond: (code: number) => void): Promise<string> {
  return new Promise((resolve) => {
    let isStopping = false;
    for (const signal of SIGNALS) {
      process.on(signal, () => {
        if (isStopping) onSecond(128 + constants.signals[signal]);
        isStopping = true;
        resolve(signal);
      });
    }
  });
}

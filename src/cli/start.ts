import { constants } from "node:os";
import { loadConfig } from "../config/load.ts";
import { startDaemon } from "../daemon.ts";

const SIGNALS = ["SIGTERM", "SIGINT"] as const;

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
  return daemon.stop(await signalled);
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

import { constants } from "node:os";
import { loadConfig } from "../config/load.ts";
import { type Daemon, startDaemon } from "../daemon.ts";
import { forgetActivation, givenSockets } from "../service/activation.ts";
import { notifier } from "../service/notify.ts";
import { Supervisor } from "../service/supervised.ts";
import { say } from "./terminal.ts";

const EXIT_MS = 1_000;
const SIGNALS = ["SIGTERM", "SIGINT"] as const;

/**
 * `patternd start`: runs until a signal ends it, then finishes what is on its way. A second signal does not wait.
 * SIGHUP has the configuration read anew, and the log file opened anew.
 *
 * @returns the exit status: 0 when everything that was received is settled.
 */
export async function start(
  flags: { config?: string | undefined },
  exitAtOnce: (code: number) => void,
): Promise<number> {
  const signalled = firstSignal(exitAtOnce);
  const reloads = reloadRequests();
  const given = givenSockets(process.env);
  const notify = notifier(process.env, (error) => say(`can't notify the service manager: ${error.message}`));
  const supervisor = new Supervisor(process.env, notify);
  forgetActivation(process.env);
  const load = () => loadConfig({ file: flags.config, env: process.env, given });
  const daemon = await startDaemon(load());
  await supervisor.ready(daemon);
  reloads.serve(() => reload(daemon, supervisor, load));
  const failed = daemon.failed.then(() => undefined);
  const signal = await Promise.race([signalled, failed]);
  reloads.end();
  supervisor.stopping(daemon.longestStopMs);
  const stopped = await daemon.stop(signal ?? "failure");
  const status = signal === undefined ? 1 : stopped;
  // A call that waits for a disk would keep the process, which has nothing left to do.
  setTimeout(() => exitAtOnce(status), EXIT_MS).unref();
  return status;
}

async function reload(
  daemon: Daemon,
  supervisor: Supervisor,
  load: () => ReturnType<typeof loadConfig>,
): Promise<void> {
  await supervisor.reloading();
  daemon.reload(load);
  await supervisor.ready(daemon);
}

/** One after the other; those that come while the daemon starts wait until it serves. */
function reloadRequests() {
  let serve: (() => Promise<void>) | undefined;
  let isWanted = false;
  let isServing = false;
  const next = async () => {
    if (isServing) return;
    isServing = true;
    while (isWanted && serve) {
      isWanted = false;
      await serve();
    }
    isServing = false;
  };
  process.on("SIGHUP", () => {
    isWanted = true;
    void next();
  });
  return {
    serve(how: () => Promise<void>) {
      serve = how;
      void next();
    },
    end() {
      serve = undefined;
    },
  };
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

/** Words to the service manager (sd_notify(3)). Node has no datagram sockets: `systemd-notify` says them. */
import { spawn } from "node:child_process";
import type { Environment } from "../config/places.ts";

export type Notify = (...assignments: readonly string[]) => Promise<void>;

/** Does nothing where nobody listens. Words arrive in the order in which they are said. */
export function notifier(env: Environment, onFailed: (error: Error) => void): Notify {
  if (!env.NOTIFY_SOCKET) return () => Promise.resolve();
  let last = Promise.resolve();
  return (...assignments) => {
    last = last.then(() => say(assignments, onFailed));
    return last;
  };
}

function say(assignments: readonly string[], onFailed: (error: Error) => void): Promise<void> {
  return new Promise((resolve) => {
    const child = spawn("systemd-notify", assignments, { stdio: "ignore" });
    child.on("error", (error) => {
      onFailed(error);
      resolve();
    });
    child.on("close", () => resolve());
  });
}

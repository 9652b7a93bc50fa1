/** A worker (worker.ts) that takes only the time that nobody else wants, from before it is even loaded. */
import { constants, setPriority } from "node:os";
import { platform } from "node:process";

// On Linux a thread has a priority of its own; elsewhere it is the process's.
if (platform === "linux") {
  try {
    setPriority(0, constants.priority.PRIORITY_LOW);
  } catch {
    // A sandbox may forbid even that: then it is as important as the others.
  }
}
await import("./worker.ts");

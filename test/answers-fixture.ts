/** What the routes need, over a store: of everything else nobody asks. */
import { Followers } from "../src/control/followers.ts";
import { HeldPages } from "../src/control/held-pages.ts";
import type { Answers } from "../src/control/routes.ts";
import { type AskedStore, SharedStore } from "../src/control/shared-store.ts";
import { Stopping } from "../src/control/stopping.ts";

export const unasked = () => {
  throw new Error("nobody asks");
};

export function answersOver(store: AskedStore, onFailed: (error: unknown) => void): Answers {
  return {
    store: new SharedStore(store),
    pages: new HeldPages(),
    followers: new Followers(unasked),
    health: unasked,
    metrics: unasked,
    flush: unasked,
    rejected: { replay: unasked, purge: unasked },
    jobs: { run: unasked, maxDays: 1 },
    forget: unasked,
    stopping: new Stopping(),
    onFailed,
    onStopped: unasked,
  };
}

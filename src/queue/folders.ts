/**
 * Folders whose names, and the names in them, survive a power cut: as in store/durable.ts, for the main thread, which
 * waits for no disk.
 */
import { mkdir, open } from "node:fs/promises";
import { dirname } from "node:path";

/** Makes the folder, and its entry in each parent that had to be made too, durable. */
export async function makeFolder(folder: string): Promise<void> {
  const first = await mkdir(folder, { recursive: true, mode: 0o700 });
  if (first === undefined) return;
  for (let made = folder; made.length >= first.length; made = dirname(made)) await syncFolder(dirname(made));
}

export async function syncFolder(folder: string): Promise<void> {
  const handle = await open(folder, "r");
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

/** The metrics as a file for the textfile collector of Prometheus' node exporter. */
import { chmod, mkdir, open, rename, rm } from "node:fs/promises";
import { dirname } from "node:path";

const INTERVAL_MS = 15_000;

export interface TextfileOptions {
  readonly path: string;
  readonly text: () => Promise<string>;
  /** It can't be written; told once, until it can be again. */
  readonly onFailed: (error: unknown) => void;
}

/**
 * Writes it now and every 15 seconds, each time whole. Resolves to what ends that and removes the file: figures of a daemon
 * that has ended would look like those of one that runs.
 */
export async function keepTextfile({ path, text, onFailed }: TextfileOptions): Promise<() => Promise<void>> {
  let writing = Promise.resolve();
  let isFailing = false;
  const write = async () => {
    try {
      await makeFolder(dirname(path));
      await writeReadable(`${path}.new`, await text());
      await rename(`${path}.new`, path);
      isFailing = false;
    } catch (error) {
      if (!isFailing) onFailed(error);
      isFailing = true;
    }
  };
  await write();
  const timer = setInterval(() => {
    writing = writing.then(write);
  }, INTERVAL_MS);
  timer.unref();
  return async () => {
    clearInterval(timer);
    await writing;
    await rm(path, { force: true }).catch(() => {});
  };
}

// Both are for another user's process (there is nothing of any pattern in them), whatever the daemon's umask says.

async function makeFolder(folder: string): Promise<void> {
  const first = await mkdir(folder, { recursive: true });
  if (first === undefined) return;
  for (let made = folder; made.length >= first.length; made = dirname(made)) await chmod(made, 0o755);
}

async function writeReadable(path: string, text: string): Promise<void> {
  const file = await open(path, "w");
  try {
    await file.chmod(0o644);
    await file.writeFile(text);
  } finally {
    await file.close();
  }
}

/** A disk that hangs, in this process: what is to be synced there waits, and neither fails nor ends. */
import { type FileHandle, open } from "node:fs/promises";
import { onTestFinished } from "vitest";

/** Hangs until what it resolves to is called, or the test is over. */
export async function hangDisk(): Promise<() => void> {
  const handle = await open(import.meta.filename);
  const calls: object = Object.getPrototypeOf(handle);
  await handle.close();
  const real = handle.datasync;
  let release = () => {};
  const released = new Promise<void>((resolve) => {
    release = resolve;
  });
  Reflect.set(calls, "datasync", async function (this: FileHandle) {
    await released;
    await real.call(this);
  });
  const end = () => {
    Reflect.set(calls, "datasync", real);
    release();
  };
  onTestFinished(end);
  return end;
}

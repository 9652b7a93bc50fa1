/**
 * Where uuid has its random bytes from in the command's file (bundle.mjs): the kernel, as a file. To load Node's crypto for
 * them takes 5 ms, more than anything else that an emission does.
 */
import { closeSync, openSync, readSync } from "node:fs";
import { systemCode } from "../errors.ts";

const KERNEL = "/dev/urandom";
const BYTES = 16;

/** As many bytes as an id takes. */
export default function randomBytes(): Uint8Array {
  const bytes = new Uint8Array(BYTES);
  if (!fillFromKernel(bytes)) globalThis.crypto.getRandomValues(bytes);
  return bytes;
}

/** False where there is no such file, as in a bare chroot. */
function fillFromKernel(bytes: Uint8Array): boolean {
  let fd: number | undefined;
  try {
    fd = openSync(KERNEL, "r");
    return readSync(fd, bytes) === bytes.length;
  } catch (error) {
    if (systemCode(error) === undefined) throw error;
    return false;
  } finally {
    if (fd !== undefined) closeSync(fd);
  }
}

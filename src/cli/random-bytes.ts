/**
 * Where uuid has its random bytes from in the command's file (bundle.mjs): the kernel, as a file. To load Node's crypto for
 * them takes 5 ms, more than anything else that an emission does.
 */
import { closeSync, openSync, readSync } from "node:fs";
import { systemCode } from "../errors.ts";

const KERNEL = "/dev/urandom";
const BYTES = 16;

/** Drawn for the next ids. */
const drawn = new Uint8Array(16 * BYTES);
let used = drawn.length;

/** As many bytes as an id takes. */
export default function randomBytes(): Uint8Array {
  if (used === drawn.length) {
    if (!fillFromKernel(drawn)) globalThis.crypto.getRandomValues(drawn);
    used = 0;
  }
  used += BYTES;
  return drawn.slice(used - BYTES, used);
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

import { Zone } from "../pattern/zone.ts";

/** Offsets such as `+01:00` are zones to newer versions of node only, and a store outlives its node. */
export function isZone(id: string): boolean {
  if (/^[+-]/.test(id)) return false;
  try {
    new Zone(id);
    return true;
  } catch {
    return false;
  }
}

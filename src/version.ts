import { createRequire } from "node:module";
import * as v from "valibot";

const manifest = v.parse(
  v.object({ version: v.string() }),
  createRequire(import.meta.url)("../package.json"),
);

/** As in package.json. */
export const VERSION = manifest.version;

import type { Config } from "../config/load.ts";
import { homeFolder, resolvePath } from "../config/places.ts";
import { PatterndError } from "../errors.ts";
import { sqlitePath } from "../sqlite-path.ts";
import { BACKEND_KINDS, type StorePlace } from "../store/open.ts";

/**
 * A store as it is named in a flag: `sqlite:~/patterns.db`. Relative paths are the working folder's.
 *
 * @throws PatterndError `usage`
 */
export function parsePlace(flag: string, text: string): StorePlace {
  const kind = BACKEND_KINDS.find((known) => text.startsWith(`${known}:`));
  const path = kind === undefined ? "" : text.slice(kind.length + 1);
  if (kind === undefined || path === "") {
    const forms = BACKEND_KINDS.map((known) => `${known}:PATH`).join(" or ");
    throw new PatterndError("usage", `${flag}: expected ${forms}, got ${JSON.stringify(text)}`);
  }
  const named = resolvePath(path, process.cwd(), homeFolder(process.env));
  return { backend: kind, path: kind === "sqlite" ? sqlitePath(named) : named };
}

export function configuredPlace({ backend, path }: Config): StorePlace {
  return { backend, path };
}

export function placeText({ backend, path }: StorePlace): string {
  return `${backend}:${path}`;
}

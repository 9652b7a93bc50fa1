import { loadConfig } from "../config/load.ts";
import { print } from "./terminal.ts";

/** `patternd check-config`: faults are thrown, all of them in one error. */
export async function checkConfig(flags: { config?: string | undefined; json: boolean }): Promise<number> {
  const { file, ...settings } = loadConfig({ file: flags.config, env: process.env });
  if (flags.json) await print(`${JSON.stringify(settings, asConfigured, 2)}\n`);
  else await print(file === undefined ? "no configuration file, defaults apply: ok\n" : `${file}: ok\n`);
  return 0;
}

/** Modes are read as octal text, and written so again. */
function asConfigured(key: string, value: unknown): unknown {
  return key === "mode" && typeof value === "number" ? value.toString(8).padStart(4, "0") : value;
}

import { loadConfig } from "../config/load.ts";
import { type MigrationProgress, migrate } from "../store/migrate.ts";
import type { MigrateAnswer } from "./answers.ts";
import { sayRepair } from "./import.ts";
import { parsePlace, placeText } from "./place.ts";
import { counted, grouped, progress } from "./progress.ts";
import { print } from "./terminal.ts";

const DOING = { check: "of the target checked", copy: "copied", verify: "verified" } as const;

/** `patternd migrate --from … --to …`: 0 when both stores hold the same, line by line. */
export async function migrateStores(flags: {
  config?: string | undefined;
  json: boolean;
  from: string;
  to: string;
}): Promise<number> {
  const { durability } = loadConfig({ file: flags.config, env: process.env });
  const from = parsePlace("--from", flags.from);
  const to = parsePlace("--to", flags.to);
  let at: MigrationProgress = { phase: "check", patterns: 0 };
  const tick = progress(() => `${counted(at.patterns, "pattern")} ${DOING[at.phase]}`);
  const migrated = await migrate(from, to, {
    durability,
    onRepair: sayRepair,
    onProgress(now) {
      at = now;
      tick();
    },
  });
  const answer: MigrateAnswer = { from: placeText(from), to: placeText(to), ...migrated };
  const { patterns, written, sha256, timezone } = answer;
  await print(
    flags.json
      ? `${JSON.stringify(answer)}\n`
      : `${counted(patterns, "pattern")} in both stores, ${grouped(written)} of them copied now; sha256 ${sha256}\n` +
          `${placeText(to)} reads timestamps without a zone in ${timezone}, as ${placeText(from)} does\n`,
  );
  return 0;
}

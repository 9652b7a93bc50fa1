import { loadConfig } from "../config/load.ts";
import { homeFolder, resolvePath } from "../config/places.ts";
import { type BackupProgress, backup } from "../store/backup.ts";
import type { BackupAnswer } from "./answers.ts";
import { configuredPlace, placeText } from "./place.ts";
import { counted, grouped, progress } from "./progress.ts";
import { print } from "./terminal.ts";

const DOING = { copy: "copied", verify: "of the copy verified" } as const;

/** `patternd backup DEST`: the configured store, whether a daemon writes to it or not. */
export async function backupStore(
  dest: string,
  flags: { config?: string | undefined; json: boolean },
): Promise<number> {
  const from = configuredPlace(loadConfig({ file: flags.config, env: process.env }));
  let at: BackupProgress = { phase: "copy", bytes: 0 };
  const tick = progress(() => `${grouped(Math.round(at.bytes / 1e6))} MB ${DOING[at.phase]}`);
  const made = await backup(from, resolvePath(dest, process.cwd(), homeFolder(process.env)), {
    onProgress(now) {
      at = now;
      tick();
    },
  });
  const answer: BackupAnswer = { backend: from.backend, ...made };
  const { patterns, bytes, path } = answer;
  await print(
    flags.json
      ? `${JSON.stringify(answer)}\n`
      : `${counted(patterns, "pattern")}, ${counted(bytes, "byte")}, in ${placeText({ ...from, path })}\n`,
  );
  return 0;
}

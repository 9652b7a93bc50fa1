/** Puts the start of the command, and what `emit` and `--help` need, into dist/patternd.cjs: one file loads faster. */
import { basename, dirname } from "node:path";
import { chmodSync } from "node:fs";
import { build } from "esbuild";

const CLI = /\/dist\/cli$/;
/** What these load later is theirs alone, and in the file too. */
const QUICK = ["command.js", "emit.js"];

await build({
  entryPoints: ["dist/cli/entry.js"],
  outfile: "dist/patternd.cjs",
  bundle: true,
  platform: "node",
  target: "node20",
  format: "cjs",
  // jsonc-parser's CommonJS form loads its parts in a way that no bundler sees.
  mainFields: ["module", "main"],
  minifySyntax: true,
  minifyWhitespace: true,
  define: { "import.meta.url": "fileUrl" },
  banner: { js: 'const fileUrl = require("node:url").pathToFileURL(__filename).href;' },
  logLevel: "warning",
  plugins: [
    {
      name: "other commands stay where they are",
      setup({ onResolve }) {
        onResolve({ filter: /^\.\// }, ({ kind, path, importer }) => {
          const isOther = CLI.test(dirname(importer)) && !QUICK.includes(basename(importer));
          if (kind === "dynamic-import" && isOther) return { path: `./cli/${basename(path)}`, external: true };
          return undefined;
        });
      },
    },
  ],
});
chmodSync("dist/patternd.cjs", 0o755);

/** Puts the start of the command, and what `emit` and `--help` need, into dist/patternd.cjs: one file loads faster. */
import { chmodSync } from "node:fs";
import { dirname, join, relative } from "node:path";
import { build } from "esbuild";

const DIST = join(import.meta.dirname, "dist");
const CLI = join(DIST, "cli");
/** What these load later is needed at once, and in the file too. */
const QUICK = ["command.js", "emit.js"].map((name) => join(CLI, name));

await build({
  entryPoints: [join(CLI, "entry.js")],
  outfile: join(DIST, "patternd.cjs"),
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
        onResolve({ filter: /^\.\.?\// }, ({ kind, path, importer }) => {
          const isOther = importer.startsWith(`${CLI}/`) && !QUICK.includes(importer);
          if (kind !== "dynamic-import" || !isOther) return undefined;
          return { path: `./${relative(DIST, join(dirname(importer), path))}`, external: true };
        });
      },
    },
  ],
});
chmodSync(join(DIST, "patternd.cjs"), 0o755);

/**
 * Puts what must start fast into one file each, since most of a start goes into finding and loading hundreds of small
 * ones: dist/patternd.cjs is the command with what `emit` and `--help` need, dist/daemon.cjs is `patternd start`, and the
 * threads' programs stand where they were compiled. The rest stays as it was compiled.
 */
import { chmodSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { dirname, join, relative } from "node:path";
import { build } from "esbuild";

const DIST = join(import.meta.dirname, "dist");
const CLI = join(DIST, "cli");

/** Modules ask for files by where they stand, and are to find the same in another one's file. */
const standing = (folder, self) => ({
  name: "modules stand where they stood",
  setup({ onLoad }) {
    onLoad({ filter: /\.js$/ }, async ({ path }) => {
      if (!path.startsWith(`${DIST}/`)) return undefined;
      const place = `new URL(${JSON.stringify(relative(folder, path))}, ${self}).href`;
      return { contents: (await readFile(path, "utf8")).replaceAll("import.meta.url", place) };
    });
  },
});

/** Of the commands' parts that are loaded later, those from these modules are in the file too. */
const onlyFrom = (importers) => ({
  name: "other commands stay where they are",
  setup({ onResolve }) {
    onResolve({ filter: /^\.\.?\// }, ({ kind, path, importer }) => {
      const isLater = kind === "dynamic-import" && importer.startsWith(`${CLI}/`);
      if (!isLater || importers.some(([from, to]) => importer === join(CLI, from) && path === to)) {
        return undefined;
      }
      return { path: `./${relative(DIST, join(dirname(importer), path))}`, external: true };
    });
  },
});

const inOneFile = (entry, outfile, options) =>
  build({
    entryPoints: [join(DIST, entry)],
    outfile: join(DIST, outfile),
    bundle: true,
    platform: "node",
    target: "node20",
    // jsonc-parser's CommonJS form loads its parts in a way that no bundler sees.
    mainFields: ["module", "main"],
    // What has binaries is found by Node; sketches-js would want the other one for what nobody asks it for.
    external: ["better-sqlite3", "protobufjs/minimal"],
    minifySyntax: true,
    minifyWhitespace: true,
    logLevel: "warning",
    ...options,
  });

/** `parts`: which module loads which later. */
const program = (entry, outfile, parts) =>
  inOneFile(entry, outfile, {
    format: "cjs",
    define: { "import.meta.url": "fileUrl" },
    banner: { js: 'const fileUrl = require("node:url").pathToFileURL(__filename).href;' },
    plugins: [onlyFrom(parts), standing(DIST, "fileUrl")],
  });

await program("cli/entry.js", "patternd.cjs", [
  ["command.js", "./program.js"],
  ["command.js", "./emit.js"],
  ["emit.js", "./input.js"],
  ["emit.js", "../ingest/numbered.js"],
]);
await program("cli/main.js", "daemon.cjs", [
  ["command.js", "./program.js"],
  ["program.js", "./start.js"],
]);
chmodSync(join(DIST, "patternd.cjs"), 0o755);

for (const thread of ["store/worker.js", "store/background-worker.js", "pattern/worker.js"]) {
  await inOneFile(thread, thread, {
    format: "esm",
    allowOverwrite: true,
    // Packages of CommonJS form ask for Node's own modules in their way.
    banner: {
      js: 'import { createRequire as nodeRequire } from "node:module"; const require = nodeRequire(import.meta.url);',
    },
    plugins: [standing(dirname(join(DIST, thread)), "import.meta.url")],
  });
}

/**
 * Puts what must start fast into one file each, since most of a start goes into finding and loading hundreds of small
 * ones: dist/patternd.cjs is the command with what `emit` and `--help` need, dist/daemon.cjs is `patternd start`, and the
 * threads' programs stand where they were compiled. The rest stays as it was compiled.
 */
import { chmodSync, rmSync } from "node:fs";
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

const COMMON = {
  bundle: true,
  platform: "node",
  target: "node20",
  // jsonc-parser's CommonJS form loads its parts in a way that no bundler sees.
  mainFields: ["module", "main"],
  // What has binaries is found by Node; sketches-js would want the other one for what nobody asks it for.
  external: ["better-sqlite3", "protobufjs/minimal"],
  minifySyntax: true,
  logLevel: "warning",
};

/** `parts`: which module loads which later. */
const program = (entry, outfile, parts, { plugins = [], ...options } = {}) =>
  build({
    ...COMMON,
    ...options,
    entryPoints: [join(DIST, entry)],
    outfile: join(DIST, outfile),
    format: "cjs",
    define: { "import.meta.url": "fileUrl" },
    banner: { js: 'const fileUrl = require("node:url").pathToFileURL(__filename).href;' },
    plugins: [...plugins, onlyFrom(parts), standing(DIST, "fileUrl")],
  });

/** All of a folder in one go: a file may be part of another one, too. */
const threads = async (folder, names) => {
  const files = names.map((name) => join(DIST, folder, name));
  await build({
    ...COMMON,
    entryPoints: files,
    outdir: join(DIST, folder),
    allowOverwrite: true,
    format: "esm",
    // Packages of CommonJS form ask for Node's own modules in their way.
    banner: {
      js: 'import { createRequire as nodeRequire } from "node:module"; const require = nodeRequire(import.meta.url);',
    },
    plugins: [standing(join(DIST, folder), "import.meta.url")],
  });
  // Of the files that were there before.
  for (const file of files) rmSync(`${file}.map`);
};

/** uuid's random bytes come from elsewhere than Node's crypto, which is slow to load, and ndjson's streams are Node's, which are loaded anyway. */
const nodesOwn = {
  name: "what Node has is not brought along",
  setup({ onResolve }) {
    onResolve({ filter: /^\.\/rng\.js$/ }, ({ importer }) =>
      importer.includes("/node_modules/uuid/") ? { path: join(CLI, "random-bytes.js") } : undefined,
    );
    onResolve({ filter: /^readable-stream$/ }, () => ({ path: "node:stream", external: true }));
  },
};

const EMIT = [
  ["command.js", "./emit.js"],
  ["emit.js", "./input.js"],
  ["emit.js", "../ingest/numbered.js"],
];
const HELP = [["command.js", "./program.js"]];
const START = [
  ["command.js", "./program.js"],
  ["program.js", "./start.js"],
];
// Agents wait for this one; of the daemon's, people read the lines of errors.
await program("cli/entry.js", "patternd.cjs", EMIT, { minifyWhitespace: true, plugins: [nodesOwn] });
await program("cli/main.js", "help.cjs", HELP, { minifyWhitespace: true });
await program("cli/main.js", "daemon.cjs", START);
chmodSync(join(DIST, "patternd.cjs"), 0o755);
await threads("store", ["worker.js", "background-worker.js"]);
await threads("pattern", ["worker.js"]);

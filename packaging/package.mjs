/**
 * `npm run package`: a tarball that hosts take without a compiler and without a registry. The programs in it are
 * those of this machine's kind: the name says which, down to the ABI of Node.js that SQLite's addon was compiled for.
 */
import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import {
  chmodSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join, relative } from "node:path";
import { fileURLToPath } from "node:url";

const ROOT = fileURLToPath(new URL("../", import.meta.url));
const TARGET = process.argv[2] ?? join(ROOT, "packages");
const { version, dependencies, optionalDependencies } = JSON.parse(
  readFileSync(join(ROOT, "package.json"), "utf8"),
);
const name = `patternd-${version}-${process.platform}-${process.arch}-node${process.versions.modules}`;
/** By shell, under the name that it looks for. */
const COMPLETIONS = Object.entries({ bash: "patternd", zsh: "_patternd", fish: "patternd.fish" });
const LAUNCHER = `#!/bin/sh
# The path by which it was called is kept: "current/bin/patternd" stays current when that link moves on.
export MALLOC_MMAP_THRESHOLD_=262144
exec "\${PATTERND_NODE:-node}" --max-semi-space-size=1 "$(dirname "$0")/../lib/dist/patternd.cjs" "$@"
`;

const work = mkdtempSync(join(tmpdir(), "patternd-package-"));
try {
  const folder = join(work, name);
  const lib = join(folder, "lib");
  mkdirSync(lib, { recursive: true });
  const kept = [
    "dist",
    "systemd",
    "docs",
    "package.json",
    "README.md",
    "CHANGELOG.md",
    "LICENSE",
    "config.example.json",
    "config.schema.json",
    "pattern.schema.json",
    "openapi.json",
    "answers.schema.json",
  ];
  for (const entry of kept) {
    if (existsSync(join(ROOT, entry))) cpSync(join(ROOT, entry), join(lib, entry), { recursive: true });
  }
  for (const needed of needs(Object.keys({ ...dependencies, ...optionalDependencies }))) {
    const target = join(lib, relative(ROOT, needed));
    cpSync(needed, target, { recursive: true, dereference: true, filter: (path) => isWanted(needed, path) });
  }
  mkdirSync(join(folder, "bin"));
  writeFileSync(join(folder, "bin", "patternd"), LAUNCHER);
  chmodSync(join(folder, "bin", "patternd"), 0o755);
  cpSync(join(ROOT, "bin", "patternd-emit"), join(folder, "bin", "patternd-emit"));
  mkdirSync(join(lib, "completions"));
  for (const [shell, file] of COMPLETIONS) {
    const words = execFileSync(process.execPath, [join(ROOT, "dist", "patternd.cjs"), "completion", shell]);
    writeFileSync(join(lib, "completions", file), words);
  }
  const sums = filesIn(folder).map((file) => `${sha256(join(folder, file))}  ${file}\n`);
  writeFileSync(join(folder, "SHA256SUMS"), sums.join(""));
  mkdirSync(TARGET, { recursive: true });
  const archive = `${name}.tar.gz`;
  const ownerless = ["--sort=name", "--owner=0", "--group=0", "--numeric-owner", "--mode=u+rwX,go=rX"];
  execFileSync("tar", [...ownerless, "-czf", join(TARGET, archive), "-C", work, name]);
  writeFileSync(join(TARGET, `${archive}.sha256`), `${sha256(join(TARGET, archive))}  ${archive}\n`);
  process.stdout.write(`${join(TARGET, archive)}\n`);
} finally {
  rmSync(work, { recursive: true });
}

/** The folders of these packages and of all that they need, as Node.js would find them. */
function needs(names, from = ROOT, found = new Set()) {
  for (const needed of names) {
    const folder = placeOf(needed, from);
    if (folder === undefined || found.has(folder)) continue;
    found.add(folder);
    const manifest = JSON.parse(readFileSync(join(folder, "package.json"), "utf8"));
    needs(Object.keys({ ...manifest.dependencies, ...manifest.optionalDependencies }), folder, found);
  }
  return found;
}

function placeOf(needed, from) {
  for (let at = from; at.startsWith(ROOT.slice(0, -1)); at = join(at, "..")) {
    const folder = join(at, "node_modules", needed);
    if (existsSync(join(folder, "package.json"))) return folder;
  }
  return undefined;
}

/** Nested packages come by themselves; what only a compiler needs stays. */
function isWanted(folder, path) {
  const inner = relative(folder, path);
  if (/(^|\/)node_modules(\/|$)/.test(inner)) return false;
  return !(
    /better-sqlite3$/.test(folder) && /^(deps|src|build\/(?!Release(\/better_sqlite3\.node)?$))/.test(inner)
  );
}

function filesIn(folder) {
  const entries = readdirSync(folder, { recursive: true, withFileTypes: true });
  return entries
    .filter((entry) => entry.isFile())
    .map((entry) => relative(folder, join(entry.parentPath, entry.name)))
    .sort();
}

function sha256(path) {
  return createHash("sha256").update(readFileSync(path)).digest("hex");
}

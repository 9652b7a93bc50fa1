import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { loadConfig } from "../src/config/load.ts";
import { clientSockets, readSocketPaths } from "../src/config/sockets.ts";

let folder: string;
let file: string;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "patternd-"));
  file = join(folder, "config.json");
});
afterEach(() => rmSync(folder, { recursive: true }));

const ENV = { HOME: "/home/ann", XDG_CONFIG_HOME: "/nonexistent", XDG_RUNTIME_DIR: "/run/user/7" };
const STATE = "/home/ann/.local/state/patternd";
const RUNTIME = "/run/user/7/patternd";

describe("readSocketPaths", () => {
  test("agrees with the loaded configuration", () => {
    const content = {
      ingest: { socket: "in.sock" },
      query: { socket: "~/q.sock" },
      outbox: { path: "/out" },
    };
    writeFileSync(file, JSON.stringify(content));
    expect(loadConfig({ env: ENV, file })).toMatchObject(readSocketPaths(ENV, file));
    expect(loadConfig({ env: ENV })).toMatchObject(readSocketPaths(ENV));
    const variable = { ...ENV, PATTERND_CONFIG: file };
    expect(readSocketPaths(variable).ingest.socket).toBe(join(folder, "in.sock"));
  });

  test("finds the user's file", () => {
    mkdirSync(join(folder, "patternd"));
    writeFileSync(join(folder, "patternd/config.json"), '{"ingest":{"socket":"/a"}}');
    expect(readSocketPaths({ ...ENV, XDG_CONFIG_HOME: folder }).ingest.socket).toBe("/a");
  });

  test.each([
    "{",
    "null",
    "[]",
    '{"ingest":null,"outbox":[]}',
    '{"ingest":{"socket":null},"outbox":{"path":5}}',
    '{"ingest":{"socket":""}}',
  ])("takes the defaults over %s", (text) => {
    writeFileSync(file, text);
    expect(readSocketPaths(ENV, file)).toEqual({
      ingest: { socket: `${RUNTIME}/ingest.sock` },
      query: { socket: `${RUNTIME}/query.sock` },
      control: { socket: `${RUNTIME}/control.sock` },
      outbox: { path: `${STATE}/outbox` },
    });
  });

  test("takes the defaults over a missing file, and leaves systemd's variables of another service aside", () => {
    const env = { ...ENV, STATE_DIRECTORY: "/var/lib/agent", RUNTIME_DIRECTORY: "/run/agent" };
    const paths = readSocketPaths(env, join(folder, "missing.json"));
    expect(paths.ingest.socket).toBe(`${RUNTIME}/ingest.sock`);
    expect(paths.outbox.path).toBe(`${STATE}/outbox`);
  });

  test("loads nothing but node's own modules", () => {
    for (const name of ["sockets", "places"]) {
      const source = readFileSync(new URL(`../src/config/${name}.ts`, import.meta.url), "utf8");
      const imported = [...source.matchAll(/\bfrom "([^"]+)"/g)].map(([, from]) => from);
      expect(imported.length).toBeGreaterThan(0);
      expect(imported.filter((from) => !from?.startsWith("node:") && from !== "./places.ts")).toEqual([]);
    }
  });
});

describe("clientSockets", () => {
  const paths = {
    ingest: { socket: "/conf/in" },
    query: { socket: "/conf/q" },
    control: { socket: "/conf/c" },
  };

  test("tries the flag, $PATTERND_SOCKET, the configuration, the user's own place, the system's", () => {
    const found = clientSockets(paths, { ...ENV, PATTERND_SOCKET: "/variable/v.sock" }, "/flag/f.sock");
    expect(found.ingest).toEqual([
      "/flag/f.sock",
      "/variable/v.sock",
      "/conf/in",
      `${RUNTIME}/ingest.sock`,
      `${STATE}/ingest.sock`,
      "/run/patternd/ingest.sock",
    ]);
    expect(found.query).toEqual([
      "/flag/query.sock",
      "/variable/query.sock",
      "/conf/q",
      `${RUNTIME}/query.sock`,
      `${STATE}/query.sock`,
      "/run/patternd/query.sock",
    ]);
    expect(found.control.slice(0, 3)).toEqual(["/flag/control.sock", "/variable/control.sock", "/conf/c"]);
  });

  test("names each path once", () => {
    const flag = `${RUNTIME}/ingest.sock`;
    const found = clientSockets(readSocketPaths(ENV), { ...ENV, PATTERND_SOCKET: "" }, flag);
    expect(found.ingest).toEqual([flag, `${STATE}/ingest.sock`, "/run/patternd/ingest.sock"]);
  });

  test("takes a relative flag from the working folder", () => {
    expect(clientSockets(paths, ENV, "x/f.sock").query[0]).toBe(join(process.cwd(), "x/query.sock"));
  });

  test("finds a daemon under systemd from a shell without XDG_RUNTIME_DIR", () => {
    const { XDG_RUNTIME_DIR: _, ...bare } = ENV;
    expect(clientSockets(readSocketPaths(bare), bare).ingest).toEqual([
      `${STATE}/ingest.sock`,
      `/run/user/${process.getuid?.()}/patternd/ingest.sock`,
      "/run/patternd/ingest.sock",
    ]);
  });
});

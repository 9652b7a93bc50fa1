import { mkdirSync, writeFileSync } from "node:fs";
import { userInfo } from "node:os";
import { dirname, join } from "node:path";
import { describe, expect, onTestFinished, test, vi } from "vitest";
import { loadConfig } from "../src/config/load.ts";
import { ConfigFixture, ENV, failure, write } from "./config-fixture.ts";

const at = new ConfigFixture();

describe("the file", () => {
  test("is the first of --config, $PATTERND_CONFIG, the user's", () => {
    const flag = write(join(at.folder, "flag.json"), { path: "/flag" });
    const variable = write(join(at.folder, "variable.json"), { path: "/variable" });
    const xdg = write(join(at.folder, "xdg/patternd/config.json"), { path: "/xdg" });
    const own = write(join(at.folder, "home/.config/patternd/config.json"), { path: "/own" });
    const home = { HOME: join(at.folder, "home") };
    const withXdg = { ...home, XDG_CONFIG_HOME: join(at.folder, "xdg") };
    const withVariable = { ...withXdg, PATTERND_CONFIG: variable };
    expect(loadConfig({ file: flag, env: withVariable })).toMatchObject({ file: flag, path: "/flag" });
    expect(loadConfig({ env: withVariable })).toMatchObject({ file: variable, path: "/variable" });
    expect(loadConfig({ env: withXdg })).toMatchObject({ file: xdg, path: "/xdg" });
    expect(loadConfig({ env: home })).toMatchObject({ file: own, path: "/own" });
    expect(loadConfig({ env: {}, home: home.HOME })).toMatchObject({ file: own, path: "/own" });
    expect(loadConfig({ env: { ...home, XDG_CONFIG_HOME: "relative", PATTERND_CONFIG: "" } }).file).toBe(own);
  });

  test("may be missing, but not when somebody named it", () => {
    expect(loadConfig({ env: ENV }).file).toBeUndefined();
    const missing = join(at.folder, "missing.json");
    for (const options of [{ file: missing, env: ENV }, { env: { ...ENV, PATTERND_CONFIG: missing } }]) {
      const error = failure(() => loadConfig(options));
      expect(error.code).toBe("config_unreadable");
      expect(error.message).toContain(`${missing}: expected a readable configuration file, got ENOENT`);
    }
  });

  test("is never passed over when it is there and can't be read", () => {
    const unreadable = join(at.folder, "patternd/config.json");
    mkdirSync(unreadable, { recursive: true });
    const error = failure(() => loadConfig({ env: { ...ENV, XDG_CONFIG_HOME: at.folder } }));
    expect(error.code).toBe("config_unreadable");
    expect(error.message).toContain(`${unreadable}: `);
  });

  test.each([
    ['{\n  "path": "a",\n}', "line 3, column 1: expected JSON, got a fault: property name expected"],
    ['{"a": 1, // no\n}', "line 1, column 10: expected JSON, got a fault: invalid comment token"],
    ['{"path"', "line 1, column 8: expected JSON, got a fault: colon expected"],
    ["", "line 1, column 1: expected JSON, got a fault: value expected"],
    ["[]", "expected an object, got a list"],
    ["null", "expected an object, got null"],
  ])("%j is refused", (text, fault) => {
    expect(at.faults(text)).toEqual([fault]);
  });

  test("is UTF-8, with or without a byte order mark", () => {
    writeFileSync(at.file, Buffer.from([0x7b, 0x22, 0xff, 0x22, 0x7d]));
    expect(failure(() => loadConfig({ file: at.file, env: ENV })).message).toBe(
      `${at.file}: expected UTF-8, got other bytes`,
    );
    expect(at.load('\uFEFF{"backend":"sqlite"}').backend).toBe("sqlite");
  });
});

describe("values", () => {
  test("are resolved: modes are numbers, paths absolute, the zone named", () => {
    const config = at.load({
      backend: "sqlite",
      path: "store",
      timezone: "europe/berlin",
      ingest: { socket: "~/in.sock", mode: "0660", maxLineBytes: 4096 },
      query: { mode: "640" },
      queue: { spoolPath: "/var/spool/x" },
      outbox: { path: "../out" },
      metrics: { textfile: "m.prom" },
      log: { file: "d.log" },
    });
    expect(config).toMatchObject({
      file: at.file,
      path: join(at.folder, "store.db"),
      timezone: "europe/berlin",
      ingest: { socket: "/home/ann/in.sock", mode: 0o660, maxLineBytes: 4096, maxConnections: 1024 },
      query: { mode: 0o640 },
      control: { mode: 0o600 },
      queue: { spoolPath: "/var/spool/x", maxBatch: 5_000 },
      outbox: { path: join(dirname(at.folder), "out") },
      metrics: { textfile: join(at.folder, "m.prom") },
      log: { file: join(at.folder, "d.log") },
    });
    expect(loadConfig({ env: ENV }).timezone).toBe(new Intl.DateTimeFormat().resolvedOptions().timeZone);
  });

  test.each([
    [{}, "/home/ann/.local/state/patternd/patterns"],
    [{ backend: "sqlite" }, "/home/ann/.local/state/patternd/patterns.db"],
    [{ backend: "sqlite", path: "/srv/kept.sqlite" }, "/srv/kept.sqlite"],
    [{ backend: "sqlite", path: "~/v1.2/store" }, "/home/ann/v1.2/store.db"],
    [{ backend: "filesystem", path: "/srv/store" }, "/srv/store"],
  ])("the store of %j is at %s", (content, path) => {
    expect(at.load(content).path).toBe(path);
  });

  test("the zone of an empty TZ is UTC", () => {
    vi.stubEnv("TZ", "");
    onTestFinished(() => void vi.unstubAllEnvs());
    expect(loadConfig({ env: ENV }).timezone).toBe("UTC");
  });

  test("declared types can be switched and retained", () => {
    const types = { review: { required: { by: "string" } }, note: {} };
    const config = at.load({
      types,
      collect: { review: false },
      retention: { byType: { note: 7, agent_usage: 3 } },
    });
    expect(config.types).toEqual({ ...types, note: { required: {} } });
    expect(config.collect).toEqual({ review: false });
    expect(config.retention.byType).toEqual({ note: 7, agent_usage: 3 });
  });
});

describe("places", () => {
  test("of a plain user", () => {
    expect(loadConfig({ env: { ...ENV, XDG_RUNTIME_DIR: "/run/user/7" } })).toMatchObject({
      path: "/home/ann/.local/state/patternd/patterns",
      ingest: { socket: "/run/user/7/patternd/ingest.sock" },
      query: { socket: "/run/user/7/patternd/query.sock" },
      control: { socket: "/run/user/7/patternd/control.sock" },
      queue: { spoolPath: "/home/ann/.local/state/patternd/spool" },
      outbox: { path: "/home/ann/.local/state/patternd/outbox" },
      rejected: { path: "/home/ann/.local/state/patternd/rejected" },
      metrics: { textfile: null },
      log: { file: null, level: "info" },
    });
  });

  test("without a runtime at.folder are in the state at.folder", () => {
    const config = loadConfig({ env: { ...ENV, XDG_STATE_HOME: "/state", XDG_RUNTIME_DIR: "" } });
    expect(config.path).toBe("/state/patternd/patterns");
    expect(config.ingest.socket).toBe("/state/patternd/ingest.sock");
  });

  test.each(["", "relative"])("are in the user database's home folder where $HOME is %j", (home) => {
    vi.stubEnv("HOME", home);
    onTestFinished(() => {
      vi.unstubAllEnvs();
    });
    const config = loadConfig({ env: { HOME: home, XDG_CONFIG_HOME: "/nonexistent" } });
    expect(config.path).toBe(join(userInfo().homedir, ".local/state/patternd/patterns"));
  });

  test("under systemd are its folders, of lists the first", () => {
    const env = {
      XDG_RUNTIME_DIR: "/run/user/7",
      RUNTIME_DIRECTORY: "/run/patternd:/run/other",
      STATE_DIRECTORY: "/var/lib/patternd:/var/lib/other",
      LOGS_DIRECTORY: "/var/log/patternd",
    };
    expect(at.load({ log: { file: "patternd.log" } }, env)).toMatchObject({
      path: "/var/lib/patternd/patterns",
      control: { socket: "/run/patternd/control.sock" },
      rejected: { path: "/var/lib/patternd/rejected" },
      log: { file: "/var/log/patternd/patternd.log" },
    });
    expect(at.load({}, { STATE_DIRECTORY: "/var/lib/patternd" }).query.socket).toBe(
      "/var/lib/patternd/query.sock",
    );
  });
});

describe("sockets", () => {
  const long = (bytes: number) => `/${"ä".repeat((bytes - 2) >> 1)}${"x".repeat(bytes % 2 ? 2 : 1)}`;

  test("have at most 107 bytes, not characters", () => {
    expect(Buffer.byteLength(long(107))).toBe(107);
    expect(at.load({ ingest: { socket: long(107) } }).ingest.socket).toBe(long(107));
    expect(at.faults({ query: { socket: long(108) } })).toEqual([
      `query.socket: expected a path of at most 107 bytes, got 108 bytes: ${long(108)}`,
    ]);
  });

  test("have a folder of at most 97 bytes, which is what they are born in", () => {
    const name = (bytes: number) => `/${"f".repeat(bytes - 1)}/s`;
    expect(at.load({ ingest: { socket: name(97) } }).ingest.socket).toBe(name(97));
    expect(at.faults({ query: { socket: name(98) } })).toEqual([
      `query.socket: expected a folder whose path has at most 97 bytes, got 98 bytes: ${name(98)}`,
    ]);
  });

  test("are measured where they are defaults, too", () => {
    const error = failure(() => loadConfig({ env: { ...ENV, XDG_RUNTIME_DIR: `/${"r".repeat(100)}` } }));
    expect(error.code).toBe("config_invalid");
    expect(error.message.split("\n")).toEqual([
      expect.stringMatching(
        /^default configuration: ingest\.socket: expected a path of at most 107 bytes, got 122 bytes: /,
      ),
      expect.stringMatching(/^default configuration: query\.socket: .* got 121 bytes: /),
      expect.stringMatching(/^default configuration: control\.socket: .* got 123 bytes: /),
    ]);
  });

  test("are different ones", () => {
    expect(at.faults({ ingest: { socket: "/a" }, control: { socket: "/b/../a" } })).toEqual([
      "control.socket: expected a path of its own, got that of ingest.socket: /a",
    ]);
  });
});

test("the result is frozen to the bottom", () => {
  const config = at.load({
    retention: { keepTags: ["a"] },
    types: { review: { required: { by: "string" } } },
  });
  const parts = [config, config.ingest, config.retention.keepTags, config.types.review?.required];
  for (const part of parts) expect(Object.isFrozen(part)).toBe(true);
});

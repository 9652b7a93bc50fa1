/** Long answers, following, counts and metrics, over real sockets. */
import { existsSync, readFileSync, statSync } from "node:fs";
import { type IncomingMessage, request } from "node:http";
import { connect } from "node:net";
import { dirname, join } from "node:path";
import { text } from "node:stream/consumers";
import { describe, expect, test } from "vitest";
import { METRICS } from "../../src/control/metrics.ts";
import { ask, lines, send } from "./client.ts";
import { BACKENDS, Home } from "./daemon.ts";
import { taskLine, taskLines } from "./patterns.ts";

function open(
  socketPath: string,
  path: string,
  headers: Record<string, string> = {},
): Promise<IncomingMessage> {
  return new Promise((resolve, reject) => {
    request({ socketPath, path, headers, agent: false }, resolve).on("error", reject).end();
  });
}

/** Lines of a stream that does not end, one after the other. */
class Following {
  readonly #response: IncomingMessage;
  readonly #lines: AsyncGenerator<string, void>;

  private constructor(response: IncomingMessage) {
    this.#response = response;
    this.#lines = linesOf(response);
  }

  static async begin(socket: string, parameters = ""): Promise<Following> {
    const response = await open(socket, `/v1/tail?${parameters}`);
    if (response.statusCode !== 200) throw new Error(await text(response));
    return new Following(response);
  }

  async next(): Promise<string> {
    const { value, done } = await this.#lines.next();
    if (done) throw new Error("the stream has ended");
    return value;
  }

  end(): void {
    this.#response.destroy();
  }
}

async function* linesOf(response: IncomingMessage): AsyncGenerator<string, void> {
  let rest = "";
  response.setEncoding("utf8");
  for await (const chunk of response) {
    const parts = (rest + chunk).split("\n");
    rest = parts.pop() ?? "";
    yield* parts;
  }
}

describe.each(BACKENDS)("%s", (backend) => {
  test("an answer of any length comes whole, and says behind its end where to go on", async () => {
    const { sockets } = await new Home().start({ backend });
    const sent = taskLines(12_000);
    await send(sockets.ingest, [lines(...sent)]);
    const all = await ask(sockets.query, "/v1/patterns?limit=999999");
    expect(all.body.split("\n").slice(0, -1).sort()).toEqual([...sent].sort());
    expect(all.headers["patternd-next"]).toBeUndefined();

    const half = await open(sockets.query, "/v1/patterns?limit=6000", { te: "trailers" });
    const first = await text(half);
    const rest = await open(
      sockets.query,
      `/v1/patterns?limit=6000&cursor=${half.trailers["patternd-next"]}`,
      {
        te: "trailers",
      },
    );
    expect(first + (await text(rest))).toBe(all.body);
    expect(rest.trailers["patternd-next"]).toBeUndefined();
  });

  test("whoever speaks HTTP/1.0, which has no chunks and no trailers, gets the same lines", async () => {
    const { sockets } = await new Home().start({ backend });
    const wanted = taskLines(200);
    await send(sockets.ingest, [lines(...wanted)]);
    const connection = connect(sockets.query);
    connection.write("GET /v1/patterns?limit=20000 HTTP/1.0\r\nHost: p\r\n\r\n");
    const [head = "", body = ""] = (await text(connection)).split("\r\n\r\n");
    expect(head).toMatch(/^HTTP\/1\.1 200 OK\r\n/);
    expect(head).not.toMatch(/chunked|trailer/i);
    expect(body.split("\n").slice(0, -1).sort()).toEqual(wanted.toSorted());
  });

  test("a filter that finds little looks at everything", async () => {
    const { sockets } = await new Home().start({ backend });
    const wanted = taskLine({ id: "rare", timestamp: "2026-05-11T00:00:00Z", task: "needle" });
    await send(sockets.ingest, [lines(wanted, ...taskLines(5_000))]);
    for (const filter of ["text=NEEDLE", "where=data.task_type%3Dneedle"])
      for (const limit of ["", "&limit=20000"])
        expect((await ask(sockets.query, `/v1/patterns?${filter}${limit}`)).body).toBe(`${wanted}\n`);
  });

  test("who follows sees the newest, and then what is stored and meant, once and in order", async () => {
    const { sockets } = await new Home().start({ backend });
    const line = (n: number, task = "a") =>
      taskLine({ id: `n${n}`, task, timestamp: `2026-05-01T10:00:${n}Z` });
    await send(sockets.ingest, [lines(line(10), line(11), line(12))]);
    const all = await Following.begin(sockets.query, "limit=2");
    const some = await Following.begin(sockets.control, "limit=0&where=data.task_type%3Db");
    expect([await all.next(), await all.next()]).toEqual([line(11), line(12)]);
    await send(sockets.ingest, [lines(line(13), line(12), "no pattern", line(14, "b"))]);
    await send(sockets.ingest, [lines(line(10), line(15, "b"))]);
    expect([await all.next(), await all.next(), await all.next()]).toEqual([
      line(13),
      line(14, "b"),
      line(15, "b"),
    ]);
    expect([await some.next(), await some.next()]).toEqual([line(14, "b"), line(15, "b")]);
    all.end();
    some.end();
  });

  test("what is held is counted", async () => {
    const { sockets } = await new Home().start({ backend });
    const empty = JSON.parse((await ask(sockets.query, "/v1/stats")).body);
    expect(empty).toMatchObject({ patterns: 0, by_type: {}, oldest: null, newest: null });
    const sent = taskLines(50);
    await send(sockets.ingest, [lines(...sent, ...sent)]);
    expect(JSON.parse((await ask(sockets.query, "/v1/stats")).body)).toEqual({
      patterns: 50,
      by_type: { task_completion: 50 },
      oldest: "2026-05-10T08:00:00.123456000Z",
      newest: "2026-05-19T08:00:00.123456000Z",
      bytes: expect.any(Number),
    });
  });
});

test("a slow follower is told how many it missed, and nobody waits for it", async () => {
  const { sockets } = await new Home().start({ backend: "filesystem" });
  const slow = await open(sockets.query, "/v1/tail?limit=0");
  const sent = Array.from({ length: 40_000 }, (_, n) =>
    taskLine({ id: `n${n}`, data: { text: "x".repeat(200) } }),
  );
  // Nothing of the answer is read before everything is acknowledged.
  const { receipt } = await send(sockets.ingest, [lines(...sent)]);
  expect(receipt.stored).toBe(sent.length);
  let seen = 0;
  let missed = 0;
  for await (const line of linesOf(slow)) {
    const value: Record<string, unknown> = JSON.parse(line);
    if (value.pattern_id === undefined) missed += Number(value.missed);
    else seen += 1;
    if (seen + missed === sent.length) break;
  }
  expect(missed).toBeGreaterThan(0);
  expect(seen).toBeGreaterThan(0);
});

test("followers are bounded, and make room when they go", async () => {
  const { sockets } = await new Home().start({ backend: "filesystem" });
  const all = await Promise.all(Array.from({ length: 32 }, () => Following.begin(sockets.query)));
  const refused = await ask(sockets.control, "/v1/tail");
  expect(refused.status).toBe(503);
  expect(JSON.parse(refused.body)).toMatchObject({ code: "too_many_followers", hint: expect.any(String) });
  expect((await ask(sockets.query, "/v1/tail", "HEAD")).status).toBe(503);
  for (const one of all) one.end();
  await expect.poll(async () => (await ask(sockets.query, "/v1/tail", "HEAD")).status).toBe(200);
  for (const parameters of ["limit=1001", "limit=-1", "endDate=2026-01-01", "cursor=x", "limit=1&limit=1"])
    expect((await ask(sockets.query, `/v1/tail?${parameters}`)).status).toBe(400);
});

test("a daemon that stops ends what is followed", async () => {
  const daemon = await new Home().start({ backend: "filesystem" });
  const following = await Following.begin(daemon.sockets.query);
  const ended = expect(following.next()).rejects.toThrow();
  expect(await daemon.stop()).toBe(0);
  await ended;
});

test("metrics are all that the catalogue says, and count what came", async () => {
  const home = new Home();
  const textfile = join(home.folder, "textfile", "patternd.prom");
  const daemon = await home.start({ backend: "sqlite", config: { metrics: { textfile } }, umask: "0077" });
  const { sockets } = daemon;
  await send(sockets.ingest, [lines(...taskLines(7), "no pattern")]);
  const { status, headers, body } = await ask(sockets.query, "/metrics");
  expect(status).toBe(200);
  expect(headers["content-type"]).toContain("text/plain");
  const names = [...body.matchAll(/^# HELP (\S+) (.+)$/gm)].map(([, name]) => name);
  expect(names).toEqual(Object.keys(METRICS));
  for (const line of [
    'patternd_info{version="0.1.0",backend="sqlite"} 1',
    "patternd_ready 1",
    'patternd_lines_received_total{origin="socket"} 8',
    'patternd_lines_settled_total{outcome="stored"} 7',
    'patternd_lines_rejected_total{code="invalid_json"} 1',
    "patternd_lines_in_flight 0",
    "patternd_queue_bytes 0",
    'patternd_failing{part="store"} 0',
  ])
    expect(body.split("\n")).toContain(line);
  expect(body).not.toContain("Häfen");
  expect(readFileSync(textfile, "utf8")).toContain("patternd_ready 1");
  expect(statSync(textfile).mode & 0o777).toBe(0o644);
  expect(statSync(dirname(textfile)).mode & 0o777).toBe(0o755);
  expect(statSync(home.state).mode & 0o777).toBe(0o700);
  expect(await daemon.stop()).toBe(0);
  expect(existsSync(textfile)).toBe(false);
});

describe.each(BACKENDS)("fsyncs of %s", (backend) => {
  test.each(["fsync", "os"])(
    "durability %s: each write that waits for the disk is timed",
    async (durability) => {
      const home = new Home();
      const daemon = await home.start({ backend, config: { durability } });
      await send(daemon.sockets.ingest, [lines(...taskLines(7))]);
      const { body } = await ask(daemon.sockets.query, "/metrics");
      const value = (name: string) => Number(new RegExp(`^${name} (.+)$`, "m").exec(body)?.[1]);
      const writes = value("patternd_store_write_seconds_count");
      const took = value("patternd_store_fsync_seconds_sum");
      expect(writes).toBeGreaterThan(0);
      expect(value("patternd_store_fsync_seconds_count")).toBe(durability === "fsync" ? writes : 0);
      if (durability === "fsync") expect(took).toBeGreaterThan(0);
      expect(took).toBeLessThanOrEqual(value("patternd_store_write_seconds_sum"));
    },
  );
});

import { aligned, machineLines, mebibytes, median, whole } from "../report.mjs";

/** @typedef {import("./measure.mjs").StoreFigures} StoreFigures */
/** @typedef {import("./measure.mjs").DayFigures} DayFigures */
/** @typedef {import("./timing.mjs").Latency} Latency */
/** @typedef {ReturnType<typeof import("../machine.mjs").describeMachine>} Machine */

/**
 * @param {{ machine: Machine, load: number, seconds: number, lineBytes: number, stores: readonly StoreFigures[], days: readonly DayFigures[] }} report
 * @returns {string}
 */
export function describeReport({ machine, load, seconds, lineBytes, stores, days }) {
  const backends = [...new Set(stores.map(({ backend }) => backend))];
  return [
    ...machineLines(machine),
    `run       ${whole(seconds)} s; load average of the minute before it ${load.toFixed(2)}`,
    `patterns  ${whole(lineBytes)} bytes each, evenly over 90 days; everything is in the system's cache`,
    ...backends.flatMap((backend) => {
      const own = stores.filter((store) => store.backend === backend);
      return ["", ...describeWork(backend, own), "", ...describeQuestions(backend, own)];
    }),
    "",
    ...describeDays(days),
    "",
    ...describeTargets(stores),
  ].join("\n");
}

/**
 * @param {string} backend
 * @param {readonly StoreFigures[]} stores
 */
function describeWork(backend, stores) {
  const row = (/** @type {string} */ name, /** @type {(store: StoreFigures) => string} */ figure) => [
    name,
    ...stores.map(figure),
  ];
  const rows = [
    row(backend, ({ lines }) => whole(lines)),
    row("load, patterns/s", ({ lines, load }) => whole(lines / load.seconds)),
    row("  the store's part alone", ({ lines, load }) => whole(lines / load.writeSeconds)),
    row("on disk, bytes a pattern", ({ lines, bytes }) => whole(bytes / lines)),
    row("open for writing, ms", ({ openWriter }) => millis(openWriter.seconds * 1000)),
    row("  RSS then", ({ openWriter }) => mebibytes(openWriter.rssBytes)),
    row("open for reading, ms", ({ openReader }) => millis(openReader.seconds * 1000)),
    row("  RSS then", ({ openReader }) => mebibytes(openReader.rssBytes)),
    row("all of it, patterns/s", ({ lines, scan }) => whole(lines / scan.seconds)),
    row("  of JSON.parse", scanRatio),
    row("known ids, same bytes, patterns/s", ({ resend }) => whole(resend.same)),
    row("known ids, newer version, patterns/s", ({ resend }) => whole(resend.newer)),
  ];
  if (stores.some(({ compressed }) => compressed)) rows.push(...compressionRows(row));
  return aligned(rows);
}

/** @param {(name: string, figure: (store: StoreFigures) => string) => string[]} row */
function compressionRows(row) {
  /** @param {(figures: NonNullable<StoreFigures["compressed"]>, store: StoreFigures) => string} figure */
  const of = (figure) => (/** @type {StoreFigures} */ store) =>
    store.compressed ? figure(store.compressed, store) : "";
  return [
    row(
      "compress all days, s",
      of(({ seconds }) => seconds.toFixed(1)),
    ),
    row(
      "  times smaller",
      of(({ ratio }) => ratio.toFixed(2)),
    ),
    row(
      "  the answers are",
      of(({ sameAnswers }) => (sameAnswers ? "the same" : "OTHERS")),
    ),
    row(
      "then: open for writing, ms",
      of(({ openWriter }) => millis(openWriter.seconds * 1000)),
    ),
    row(
      "  load by id, p99 ms",
      of(({ gets }) => millis(gets["load by id"].p99)),
    ),
    row(
      "  all of it, patterns/s",
      of(({ scan }, { lines }) => whole(lines / scan.seconds)),
    ),
    row(
      "  same bytes, patterns/s",
      of(({ resend }) => whole(resend.same)),
    ),
    row(
      "  newer version, patterns/s",
      of(({ resend }) => whole(resend.newer)),
    ),
  ];
}

/**
 * @param {string} backend
 * @param {readonly StoreFigures[]} stores
 */
function describeQuestions(backend, stores) {
  const header = [
    `${backend}, p50 / p99 ms (calls)`,
    ...stores.map(({ lines }) => whole(lines)),
    "answers",
    ...(stores.length > 1 ? ["growth"] : []),
  ];
  const names = Object.keys(latenciesOf(stores[0]));
  const rows = names.map((name) => {
    const all = stores.map((store) => latenciesOf(store)[name]);
    return [
      name,
      ...all.map(({ p50, p99, calls }) => `${millis(p50)} / ${millis(p99)} (${calls})`),
      whole(all[all.length - 1].answered),
      ...(stores.length > 1 ? [growth(all).toFixed(1)] : []),
    ];
  });
  return aligned([header, ...rows]);
}

/** @param {readonly DayFigures[]} days */
function describeDays(days) {
  const rows = days.map(({ backend, name, lines, first, last }) => [
    `${backend}, ${whole(lines)} ${name}`,
    millis(median(first)),
    millis(median(last)),
  ]);
  return aligned([["a page of 1,000, ms", "first", "last"], ...rows]);
}

/** @param {readonly StoreFigures[]} stores */
function describeTargets(stores) {
  /** @type {string[][]} */
  const rows = [["target", "figure", ""]];
  const target = (/** @type {string} */ name, /** @type {string} */ figure, /** @type {boolean} */ met) =>
    rows.push([name, figure, met ? "met" : "MISSED"]);
  for (const backend of new Set(stores.map((store) => store.backend))) {
    const own = stores.filter((store) => store.backend === backend);
    const largest = own[own.length - 1];
    const latencies = latenciesOf(largest);
    if (backend === "sqlite") {
      for (const [name, figure] of /** @type {const} */ ([
        ["p99", "p99"],
        ["p99 of CPU time", "cpuP99"],
      ])) {
        const [slowest, latency] = worst(latencies, (question) => latencies[question][figure]);
        const text = `${millis(latency[figure])} ms, ${slowest}`;
        target(`sqlite: ${name} <= 5 ms`, text, latency[figure] <= 5);
      }
      if (own.length > 1) {
        const of = (/** @type {string} */ name) => growth(own.map((store) => latenciesOf(store)[name]));
        const [grown] = worst(latencies, of);
        target("sqlite: growth of p50 < 2", `${of(grown).toFixed(1)}, ${grown}`, of(grown) < 2);
      }
    } else {
      const { p99 } = latencies["newest 100"];
      target("filesystem: newest 100 < 50 ms", `${millis(p99)} ms`, p99 < 50);
      target("filesystem: all >= 0.5 of JSON.parse", scanRatio(largest), Number(scanRatio(largest)) >= 0.5);
      const ratio = largest.compressed?.ratio ?? 0;
      target("filesystem: 8 times smaller", ratio.toFixed(2), ratio >= 8);
    }
  }
  return aligned(rows);
}

/** @param {StoreFigures} store */
function latenciesOf({ gets, getsReadOnly, asked }) {
  const readOnly = Object.entries(getsReadOnly).map(([name, latency]) => [`${name}, read-only`, latency]);
  return {
    ...asked.latencies,
    ...gets,
    .../** @type {Record<string, Latency>} */ (Object.fromEntries(readOnly)),
  };
}

/**
 * @param {Record<string, Latency>} latencies
 * @param {(name: string) => number} figure
 */
function worst(latencies, figure) {
  return Object.entries(latencies).reduce((one, other) => (figure(other[0]) > figure(one[0]) ? other : one));
}

/** From the smallest store to the largest. @param {readonly Latency[]} latencies */
function growth(latencies) {
  return latencies[latencies.length - 1].p50 / latencies[0].p50;
}

/** @param {StoreFigures} store */
function scanRatio({ scan, parse }) {
  return (parse.seconds / scan.seconds).toFixed(2);
}

/** @param {number} value */
function millis(value) {
  return value < 10 ? value.toFixed(2) : whole(value);
}

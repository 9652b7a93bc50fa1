/** @typedef {{ seconds: number, cpuSeconds: number }} Ceiling timed parts only */
/** @typedef {Ceiling & { peakRssBytes: number }} Daemon from the first connect to the last receipt */
/** @typedef {{ backend: string, daemon: Daemon, ceiling: Ceiling, peers: Record<string, Daemon> }} Round */
/** @typedef {ReturnType<typeof summarize>[number]} Medians */

/**
 * @param {readonly Round[]} rounds
 * @param {number} lines sent in each
 */
export function summarize(rounds, lines) {
  const backends = [...new Set(rounds.map((round) => round.backend))];
  return backends.map((backend) => {
    const own = rounds.filter((round) => round.backend === backend);
    const over = (/** @type {(round: Round) => number} */ figure) => median(own.map(figure));
    // Ratios are those of each round, where all met the same machine: a neighbour's load counts less.
    const program = (/** @type {(round: Round) => Daemon} */ of) => ({
      patternsPerSecond: over((round) => lines / of(round).seconds),
      cpuSeconds: over((round) => of(round).cpuSeconds),
      peakRssBytes: over((round) => of(round).peakRssBytes),
      ratio: over((round) => round.ceiling.seconds / of(round).seconds),
    });
    return {
      backend,
      daemon: program(({ daemon }) => daemon),
      ceiling: {
        patternsPerSecond: over(({ ceiling }) => lines / ceiling.seconds),
        cpuSeconds: over(({ ceiling }) => ceiling.cpuSeconds),
      },
      peers: Object.keys(own[0]?.peers ?? {}).map((name) => ({
        name,
        ...program(({ peers }) => peers[name]),
        daemonRatio: over(({ daemon, peers }) => peers[name].seconds / daemon.seconds),
      })),
    };
  });
}

/**
 * @param {object} report
 * @param {ReturnType<typeof import("./machine.mjs").describeMachine>} report.machine
 * @param {{ lines: number, bytes: number, connections: number, rounds: number, profiled: boolean }} report.sent
 * @param {readonly Medians[]} report.medians
 * @returns {string}
 */
export function describeReport({ machine, sent, medians }) {
  const { lines, bytes, connections, rounds, profiled } = sent;
  const rows = medians.flatMap(({ backend, daemon, ceiling, peers }) => [
    [`${backend} daemon`, ...figures(daemon), ""],
    [`${backend} ceiling`, whole(ceiling.patternsPerSecond), ceiling.cpuSeconds.toFixed(2), "", "", ""],
    ...peers.map(({ name, daemonRatio, ...peer }) => [name, ...figures(peer), daemonRatio.toFixed(2)]),
  ]);
  return [
    ...machineLines(machine),
    `sent      ${whole(lines)} patterns, ${whole(bytes / lines)} bytes each, connections: ${connections}`,
    `figures   medians of rounds: ${rounds}${profiled ? "; the daemon was slowed down by its profiler" : ""}`,
    "",
    ...aligned([["", "patterns/s", "CPU s", "peak RSS", "of ceiling", "daemon to it"], ...rows]),
  ].join("\n");
}

/** @param {{ patternsPerSecond: number, cpuSeconds: number, peakRssBytes: number, ratio: number }} program */
function figures({ patternsPerSecond, cpuSeconds, peakRssBytes, ratio }) {
  return [whole(patternsPerSecond), cpuSeconds.toFixed(2), mebibytes(peakRssBytes), ratio.toFixed(2)];
}

/** @param {ReturnType<typeof import("./machine.mjs").describeMachine>} machine */
export function machineLines({ cpu, cores, memoryBytes, kernel, filesystem, node, commit }) {
  return [
    `machine   ${cpu}, ${cores} cores, ${mebibytes(memoryBytes)}; ${kernel}; ${filesystem}; Node ${node}`,
    `commit    ${commit}`,
  ];
}

/** @param {readonly number[]} values at least one */
export function median(values) {
  const sorted = values.toSorted((one, other) => one - other);
  const middle = sorted.length / 2;
  return (sorted[Math.floor(middle)] + sorted[Math.ceil(middle) - 1]) / 2;
}

/** @param {number} value */
export function whole(value) {
  return Math.round(value).toLocaleString("en");
}

/** @param {number} bytes */
export function mebibytes(bytes) {
  return `${whole(bytes / 1024 / 1024)} MiB`;
}

/** @param {readonly string[][]} rows the first column is text, the others are figures */
export function aligned(rows) {
  const widths = rows[0].map((_, column) => Math.max(...rows.map((row) => row[column].length)));
  return rows.map((row) =>
    row
      .map((cell, column) => (column === 0 ? cell.padEnd(widths[column]) : cell.padStart(widths[column])))
      .join("   ")
      .trimEnd(),
  );
}

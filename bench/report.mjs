/** @typedef {{ seconds: number, cpuSeconds: number }} Ceiling timed parts only */
/** @typedef {Ceiling & { peakRssBytes: number }} Daemon from the first connect to the last receipt */
/** @typedef {{ backend: string, daemon: Daemon, ceiling: Ceiling }} Round */
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
    return {
      backend,
      daemon: {
        patternsPerSecond: over(({ daemon }) => lines / daemon.seconds),
        cpuSeconds: over(({ daemon }) => daemon.cpuSeconds),
        peakRssBytes: over(({ daemon }) => daemon.peakRssBytes),
      },
      ceiling: {
        patternsPerSecond: over(({ ceiling }) => lines / ceiling.seconds),
        cpuSeconds: over(({ ceiling }) => ceiling.cpuSeconds),
      },
      // Of each round, where both met the same machine: a neighbour's load counts less.
      ratio: over(({ daemon, ceiling }) => ceiling.seconds / daemon.seconds),
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
  const rows = medians.flatMap(({ backend, daemon, ceiling, ratio }) => [
    [
      `${backend} daemon`,
      whole(daemon.patternsPerSecond),
      daemon.cpuSeconds.toFixed(2),
      mebibytes(daemon.peakRssBytes),
      ratio.toFixed(2),
    ],
    [`${backend} ceiling`, whole(ceiling.patternsPerSecond), ceiling.cpuSeconds.toFixed(2), "", ""],
  ]);
  return [
    ...machineLines(machine),
    `sent      ${whole(lines)} patterns, ${whole(bytes / lines)} bytes each, connections: ${connections}`,
    `figures   medians of rounds: ${rounds}${profiled ? "; the daemon was slowed down by its profiler" : ""}`,
    "",
    ...aligned([["", "patterns/s", "CPU s", "peak RSS", "of ceiling"], ...rows]),
  ].join("\n");
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

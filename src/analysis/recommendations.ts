/** What the figures say one should do. Each rule names its bounds; docs/analysis.md lists them. */
import type { Recommendation, Report } from "./report-schema.ts";

/** Fewer of anything say nothing. */
const LEAST = 10;
const LOW_SUCCESS = 0.8;
const WORSE_BY = 0.1;
const RISEN_BY = 2;
/** Of all errors. */
const LARGE_SHARE = 0.05;
const MANY_RETRIES = 0.5;
const CRITICAL = 3;
const MOST = 10;

type Figures = Omit<Report, "recommendations">;

/** The gravest first: by how many patterns are behind them. */
export function recommendations(report: Figures): Recommendation[] {
  const found = [
    ...report.agents.flatMap(ofAgent),
    ...report.tasks.flatMap(ofTask),
    ...report.errors.messages.flatMap((message) => ofError(message, report.errors.total)),
    ...report.corrections.types.flatMap(ofCorrection),
  ];
  return found
    .sort((a, b) => b.weight - a.weight)
    .slice(0, MOST)
    .map(({ weight: _, ...recommendation }) => recommendation);
}

interface Weighed extends Recommendation {
  readonly weight: number;
}

function ofAgent(entry: Report["agents"][number]): Weighed[] {
  const { agent, failed, retries, successRate, successRateBefore, jobsBefore } = entry;
  const jobs = entry.tasks + entry.uses;
  if (jobs < LEAST || successRate === null) return [];
  const found: Weighed[] = [];
  if (successRate < LOW_SUCCESS) {
    found.push({
      kind: "agent_failing",
      text: `${agent} fails ${percent(1 - successRate)} of what it does (${failed} of ${jobs}): look at its failed tasks, and give it smaller ones or better instructions.`,
      figures: { agent, failed, jobs, successRate },
      weight: failed,
    });
  } else if (
    successRateBefore !== null &&
    (jobsBefore ?? 0) >= LEAST &&
    successRate < successRateBefore - WORSE_BY
  ) {
    found.push({
      kind: "agent_worse",
      text: `${agent} succeeds in ${percent(successRate)}, before in ${percent(successRateBefore)}: find out what changed.`,
      figures: { agent, failed, jobs, successRate, successRateBefore },
      weight: failed,
    });
  }
  if (retries / jobs >= MANY_RETRIES) {
    found.push({
      kind: "retries_many",
      text: `${agent} needs ${(retries / jobs).toFixed(1)} retries a task (${retries} in ${jobs}): what makes it begin again costs as much as what fails.`,
      figures: { agent, retries, jobs },
      weight: retries / 2,
    });
  }
  return found;
}

function ofTask(entry: Report["tasks"][number]): Weighed[] {
  const { taskType, failed, successRate, reason } = entry;
  const jobs = entry.tasks + entry.uses;
  if (jobs < LEAST || successRate === null || successRate >= LOW_SUCCESS) return [];
  const why = reason === null ? "" : `, most often for: ${reason}`;
  return [
    {
      kind: "task_failing",
      text: `${taskType} fails in ${percent(1 - successRate)} (${failed} of ${jobs})${why}.`,
      figures: { taskType, failed, jobs, successRate },
      weight: failed,
    },
  ];
}

/** One a message: what is known of its cure comes first, then how it moves. */
function ofError(entry: Report["errors"]["messages"][number], total: number): Weighed[] {
  const { errorType, message, count, before, resolutions } = entry;
  if (count < LEAST) return [];
  const what = `${errorType}: ${message}`;
  const figures = { errorType, message, count, ...(before === null ? {} : { before }) };
  const [resolution] = resolutions;
  const isLarge = count >= total * LARGE_SHARE;
  if (resolution && isLarge) {
    const text = `${what} came ${count} times, though a resolution is known: ${resolution.text}`;
    return [
      { kind: "error_known", text, figures: { ...figures, resolution: resolution.text }, weight: count },
    ];
  }
  if (before === 0) {
    return [
      {
        kind: "error_new",
        text: `${what} is new: ${count} times, never in the period before.`,
        figures,
        weight: count,
      },
    ];
  }
  if (before !== null && count >= before * RISEN_BY) {
    const text = `${what} came ${count} times, ${before} in the period before: find out what changed.`;
    return [{ kind: "error_rising", text, figures, weight: count }];
  }
  if (!isLarge) return [];
  const text = `${what} came ${count} times (${percent(count / total)} of all errors), and nobody wrote down what helps: send data.resolution with the next one that is solved.`;
  return [{ kind: "error_unresolved", text, figures: { ...figures, errors: total }, weight: count }];
}

function ofCorrection(entry: Report["corrections"]["types"][number]): Weighed[] {
  const { correctionType, count, critical } = entry;
  if (count < LEAST || critical < CRITICAL) return [];
  return [
    {
      kind: "corrections_critical",
      text: `${correctionType} was corrected ${count} times, ${critical} of them critical: put the rule into the agents' instructions.`,
      figures: { correctionType, count, critical },
      weight: 2 * critical,
    },
  ];
}

function percent(share: number): string {
  return `${Math.round(share * 100)} %`;
}

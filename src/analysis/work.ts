/** Work and who did it: completed tasks, and uses of an agent. */
import { Bounded, type Counted } from "./bounded.ts";
import { Durations } from "./durations.ts";
import { amountIn, textIn } from "./fields.ts";
import { MessageFolder } from "./message.ts";

const REASONS = 50;

export interface WorkEntry extends Counted {
  /** Patterns of type `task_completion`, and of type `agent_usage`: an agent may send both of the same work. */
  tasks: number;
  uses: number;
  failed: number;
  retries: number;
  tokens: number;
  corrections: number;
  readonly durations: Durations;
  /** Why tasks failed, folded, with how often; and the other side of each failure: of an agent the task, and so on. */
  readonly reasons: Map<string, number>;
  readonly failedWith: Map<string, number>;
  lastFailedMs: number | undefined;
}

export interface ToolEntry extends Counted {
  failed: number;
}

export class WorkTally {
  readonly agents = new Bounded(workEntry);
  readonly tasks = new Bounded(workEntry);
  readonly tools = new Bounded<ToolEntry>((name) => ({ name, count: 0, failed: 0 }));
  readonly #folder = new MessageFolder();

  addTask(ms: number, data: Record<string, unknown>): void {
    const [agent, task] = this.#add(ms, data, textIn(data, "agent"));
    agent.tasks += 1;
    task.tasks += 1;
  }

  addUse(ms: number, data: Record<string, unknown>): void {
    const [agent, task] = this.#add(ms, data, textIn(data, "agent_type"));
    agent.uses += 1;
    task.uses += 1;
    const { tools_used: tools, success } = data;
    // Once a use, however often it stands there.
    for (const tool of Array.isArray(tools) ? new Set<unknown>(tools) : []) {
      if (typeof tool !== "string") continue;
      const entry = this.tools.count(tool);
      if (success === false) entry.failed += 1;
    }
  }

  addCorrection(data: Record<string, unknown>): void {
    this.agents.count(textIn(data, "agent") ?? "?").corrections += 1;
  }

  #add(ms: number, data: Record<string, unknown>, agentName = "?"): [WorkEntry, WorkEntry] {
    const taskName = textIn(data, "task_type") ?? "?";
    const agent = this.agents.count(agentName);
    const task = this.tasks.count(taskName);
    const duration = amountIn(data, "duration_ms");
    const hasFailed = data.success === false;
    const reason = hasFailed ? textIn(data, "error_message") : undefined;
    for (const [entry, other] of [
      [agent, task.name],
      [task, agent.name],
    ] as const) {
      if (duration !== undefined) entry.durations.add(duration);
      entry.retries += amountIn(data, "retry_count") ?? 0;
      entry.tokens += amountIn(data, "tokens_used") ?? 0;
      if (!hasFailed) continue;
      entry.failed += 1;
      entry.lastFailedMs = Math.max(entry.lastFailedMs ?? ms, ms);
      countIn(entry.failedWith, other);
      if (reason !== undefined) countIn(entry.reasons, this.#folder.fold(reason));
    }
    return [agent, task];
  }
}

/** How many times tasks were done and agents used. */
export function jobsOf({ tasks, uses }: WorkEntry): number {
  return tasks + uses;
}

/** Of equal ones the first by name. */
export function mostIn(counts: ReadonlyMap<string, number>): { name: string; count: number } | undefined {
  let most: { name: string; count: number } | undefined;
  for (const [name, count] of counts) {
    if (!most || count > most.count || (count === most.count && name < most.name)) most = { name, count };
  }
  return most;
}

function workEntry(name: string): WorkEntry {
  return {
    name,
    count: 0,
    tasks: 0,
    uses: 0,
    failed: 0,
    retries: 0,
    tokens: 0,
    corrections: 0,
    durations: new Durations(),
    reasons: new Map(),
    failedWith: new Map(),
    lastFailedMs: undefined,
  };
}

function countIn(counts: Map<string, number>, name: string): void {
  const known = counts.get(name);
  if (known !== undefined || counts.size < REASONS) counts.set(name, (known ?? 0) + 1);
}

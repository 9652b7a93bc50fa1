/** One pattern of each type with every field, and a type that a configuration declares. */
import type { DeclaredTypes } from "../src/pattern/schema.ts";

export const DECLARED: DeclaredTypes = {
  code_review: {
    required: {
      reviewer: "string",
      findings: "integer",
      score: "number",
      ok: "boolean",
      files: "list",
      by: "object",
    },
  },
};

export const DATA = {
  task_completion: {
    task_type: "t",
    agent: "a",
    duration_ms: 1,
    success: true,
    files_created: 1,
    files_modified: 2,
    tests_passed: 3,
    tests_failed: 0,
    lines_of_code: 9,
    retry_count: 0,
    coverage_percent: 87.5,
    error_message: "e",
  },
  error_occurrence: {
    error_type: "t",
    error_message: "m",
    stack_trace: "s",
    file_path: "f",
    function_name: "n",
    resolution: "r",
    line_number: 1,
    resolution_time_ms: 2,
    similar_errors_count: 3,
    auto_resolved: true,
    user_intervention: false,
  },
  agent_usage: {
    agent_type: "a",
    task_type: "t",
    success: false,
    duration_ms: 0,
    tools_used: ["x", "y"],
    retry_count: 1,
    files_accessed: 2,
    api_calls: 3,
    tokens_used: 4,
    parallel_tasks: 5,
    memory_mb: 1.5,
    cpu_percent: 250,
  },
  user_correction: {
    original_output: "",
    corrected_output: "",
    correction_type: "c",
    agent: "a",
    task_type: "t",
    correction_category: "c",
    user_feedback: "u",
    pattern_matched: "p",
    severity: "minor",
  },
  code_review: { reviewer: "r", findings: 1, score: 0.5, ok: true, files: [1], by: {} },
} as const;

export const CONTEXT = {
  project_name: "p",
  session_id: "s",
  user_id: "u",
  git_branch: "b",
  git_commit: "c",
  host: "h",
  environment: "staging",
  timestamp: "2026-05-01",
  tags: ["a", "b"],
  metadata: { any: [1] },
};

export type TypeName = keyof typeof DATA;

export function whole(type: TypeName, context: object = CONTEXT) {
  return {
    pattern_id: "x",
    pattern_type: type,
    timestamp: "2026-05-01T10:00:00Z",
    data: DATA[type],
    context,
    version: "2",
  };
}

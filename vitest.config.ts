import { defineConfig } from "vitest/config";

export default defineConfig({
  test: {
    include: ["test/**/*.test.ts"],
    testTimeout: 20_000,
    // Two cores: process tests start daemons of their own beside the runner.
    maxWorkers: 2,
  },
});

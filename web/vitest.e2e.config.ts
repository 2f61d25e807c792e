import { defineConfig } from 'vitest/config';

/** The page in a real browser, at a real network. One test after the other: they tell one story. */
export default defineConfig({
  test: {
    include: ['e2e/**/*.test.ts'],
    testTimeout: 60_000,
    hookTimeout: 120_000,
    fileParallelism: false,
  },
});

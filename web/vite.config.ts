import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { gzipSync } from 'node:zlib';

import { svelte } from '@sveltejs/vite-plugin-svelte';
import { defineConfig } from 'vitest/config';
import type { Plugin } from 'vite';

const TEXT_FILES = /\.(?:css|html|js|json|svg|txt|webmanifest)$/;

/** Writes a `.gz` beside every text file, so that the server never compresses anything itself. */
function gzip(): Plugin {
  let folder: string;
  return {
    name: 'gzip',
    apply: 'build',
    configResolved(config) {
      folder = resolve(config.root, config.build.outDir);
    },
    closeBundle() {
      for (const file of readdirSync(folder, { recursive: true, encoding: 'utf8' })) {
        if (TEXT_FILES.test(file)) {
          const path = join(folder, file);
          writeFileSync(`${path}.gz`, gzipSync(readFileSync(path), { level: 9 }));
        }
      }
    },
  };
}

/** `npm run dev` serves the page itself, and asks this node for all the rest. */
const NODE = process.env['DEXTER_NODE'] ?? 'http://127.0.0.1:8000';

export default defineConfig({
  plugins: [svelte({ configFile: false }), gzip()],
  build: {
    target: 'es2022',
    // The page is served with `script-src 'self'; style-src 'self'`: nothing is put inline.
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
  },
  worker: { format: 'es' },
  server: {
    proxy: {
      '/v1': { target: NODE, changeOrigin: true, headers: { Origin: NODE } },
    },
  },
  test: { include: ['tests/**/*.test.ts'] },
});

import { readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { gzipSync } from 'node:zlib';

import { svelte } from '@sveltejs/vite-plugin-svelte';
import { defineConfig } from 'vitest/config';
import type { Plugin } from 'vite';

const TEXT_FILES = /\.(?:css|html|js|json|svg|txt|webmanifest)$/;

/** What comes later, when it is needed. */
const LAZY_FILES = /^assets\/(?:Network|receipt)-/;
/** All the rest is there at once, and is to be small: so many bytes as they are sent. */
const MAX_SENT_BYTES = 150 * 1024;

/**
 * Writes a `.gz` beside every text file, so that the server never compresses anything itself, and fails when the page has
 * become too large.
 */
function gzip(): Plugin {
  let folder: string;
  return {
    name: 'gzip',
    apply: 'build',
    configResolved(config) {
      folder = resolve(config.root, config.build.outDir);
    },
    closeBundle() {
      let sent = 0;
      for (const file of readdirSync(folder, { recursive: true, encoding: 'utf8' })) {
        const path = join(folder, file);
        if (!statSync(path).isFile()) {
          continue;
        }
        let content: Uint8Array = readFileSync(path);
        if (TEXT_FILES.test(file)) {
          content = gzipSync(content, { level: 9 });
          writeFileSync(`${path}.gz`, content);
        }
        sent += LAZY_FILES.test(file) ? 0 : content.length;
      }
      console.log(`the page is ${sent} bytes as it is sent, without what comes later`);
      if (sent > MAX_SENT_BYTES) {
        throw new Error(`the page has become too large: it is to be ${MAX_SENT_BYTES} bytes at most`);
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

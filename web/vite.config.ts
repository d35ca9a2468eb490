import { defineConfig } from 'vite';

// The server to develop against: chatkitd itself or the mock (npm run mock).
const backend = process.env['CHATKITD_URL'] ?? 'http://127.0.0.1:8000';

export default defineConfig({
  build: {
    // All of these know light-dark() and nesting, so that CSS stays as written.
    target: ['chrome125', 'firefox128', 'safari18'],
    modulePreload: { polyfill: false },
    // Nothing inline: the pages' Content-Security-Policy allows files of our own only.
    assetsInlineLimit: 0,
    reportCompressedSize: false,
    rolldownOptions: {
      input: ['index.html', 'admin.html'],
      // What both pages need is one file; neither loads what is the other's.
      output: { codeSplitting: { groups: [{ name: 'shared', minShareCount: 2 }] } },
    },
  },
  server: {
    proxy: { '/api': backend, '/auth': backend },
  },
  test: { include: ['src/**/*.test.{ts,tsx}'] },
});

import { defineConfig } from 'vite';

// The server to develop against: chatkitd itself or the mock (npm run mock).
const backend = process.env['CHATKITD_URL'] ?? 'http://127.0.0.1:8000';

export default defineConfig({
  // h(tag, props, …children) is shorter than what the newer transform makes of JSX.
  oxc: { jsx: { runtime: 'classic', pragma: 'h', pragmaFrag: 'Fragment' }, jsxInject: "import { h, Fragment } from 'preact'" },
  build: {
    // All of these know light-dark() and nesting, so that CSS stays as written.
    target: ['chrome125', 'firefox128', 'safari18'],
    modulePreload: { polyfill: false },
    // Nothing inline: the pages' Content-Security-Policy allows files of our own only.
    assetsInlineLimit: 0,
    reportCompressedSize: false,
    // One style sheet: in gzip a sixth less than one for each page and one for both.
    cssCodeSplit: false,
    rolldownOptions: {
      input: ['index.html', 'admin.html'],
      // What both pages need is one file; neither loads what is the other's.
      output: { codeSplitting: { groups: [{ name: 'shared', minShareCount: 2 }] } },
    },
  },
  server: {
    proxy: { '/api': backend, '/auth': backend },
  },
  test: { include: ['src/**/*.test.{ts,tsx}'], css: true },
});

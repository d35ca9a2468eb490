// Ties dist/ to its source: `write` records the hashes of both in source.sum,
// `check` fails when either has changed since. web_test.go checks the same file
// without Node, so keep the two in step.
import { createHash } from 'node:crypto';
import { readFileSync, readdirSync, writeFileSync } from 'node:fs';
import { dirname, join, relative, sep } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const sources = ['admin.html', 'index.html', 'package-lock.json', 'package.json', 'public', 'scripts', 'src', 'tsconfig.json', 'vite.config.ts'];

function files(path) {
  const list = [];
  const walk = (at) => {
    for (const entry of readdirSync(at, { withFileTypes: true })) {
      const full = join(at, entry.name);
      if (entry.isDirectory()) walk(full);
      else list.push(full);
    }
  };
  try {
    walk(path);
  } catch (err) {
    if (err.code !== 'ENOTDIR') throw err;
    list.push(path);
  }
  return list;
}

function sum(paths) {
  const names = paths
    .flatMap((path) => files(join(root, path)))
    .map((full) => relative(root, full).split(sep).join('/'))
    .filter((name) => !/\.test\.tsx?$/.test(name))
    .sort((a, b) => (a < b ? -1 : 1));
  const hash = createHash('sha256');
  for (const name of names) {
    hash.update(`${name}\n${createHash('sha256').update(readFileSync(join(root, name))).digest('hex')}\n`);
  }
  return hash.digest('hex');
}

const now = `source ${sum(sources)}\ndist ${sum(['dist'])}\n`;
const file = join(root, 'source.sum');

if (process.argv[2] === 'write') {
  writeFileSync(file, now);
} else if (readFileSync(file, 'utf8') !== now) {
  console.error('dist is not what its source builds: run `npm run build` and commit dist and source.sum');
  process.exit(1);
}

// Drives the page in a browser: against the mock always, and as a person would
// against a real server when CHATKITD_URL names one or CHATKITD_BIN a binary to
// start. SCREENSHOTS=folder keeps pictures, ONLY=part-of-a-name chooses tests.
import { admin } from './admin.mjs';
import { launch, quit, results } from './browser.mjs';
import { conversation } from './conversation.mjs';
import { failures } from './failures.mjs';
import { lists } from './lists.mjs';
import { operator } from './operator.mjs';
import { person } from './person.mjs';
import { shape } from './shape.mjs';

await launch();
try {
  await conversation();
  await failures();
  await lists();
  await shape();
  await admin();
  if (process.env.CHATKITD_URL || process.env.CHATKITD_BIN) {
    await person(process.env.CHATKITD_URL, process.env.CHATKITD_BIN);
    await operator(process.env.CHATKITD_URL, process.env.CHATKITD_BIN);
  }
} finally {
  await quit();
}
console.log(`${results.passed} passed, ${results.failed} failed`);
process.exitCode = results.failed > 0 || results.passed === 0 ? 1 : 0;

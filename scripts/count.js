// Prints the plain closing line of a test run from the runner's own JSON report. `node scripts/count.js report.json`
import { readFileSync } from 'node:fs'

const report = readFileSync(process.argv[2], 'utf8')
if (!report) {
  console.log('The checks before the tests failed.\n0 passed, 1 failed, 0 skipped')
  process.exit(1)
}
const { numPassedTests, numFailedTests, numPendingTests, numTodoTests } = JSON.parse(report)
console.log(`${numPassedTests} passed, ${numFailedTests} failed, ${numPendingTests + numTodoTests} skipped`)

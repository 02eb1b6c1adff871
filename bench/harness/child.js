// @ts-check
// Benchmarks in several processes: each is one file whose functions are the roles of the processes.
import { fork } from 'node:child_process'
import { once } from 'node:events'

/** Longer than the longest question takes; then something hangs. */
const ANSWER_TIMEOUT_MS = 300_000

/** @type {Set<import('node:child_process').ChildProcess>} */
const running = new Set()
// One that is stopped by a signal does not notice that this process has ended.
process.on('exit', () => {
  for (const child of running) child.kill('SIGKILL')
})

/**
 * Plays the role that this process was started for. The process that was not started by `start` measures.
 *
 * @param {Record<string, (...args: string[]) => unknown>} roles
 */
export function play(roles) {
  const role = process.env.HEARTLINE_BENCH_ROLE
  if (!role) {
    for (const signal of ['SIGINT', 'SIGTERM']) process.once(signal, () => process.exit(1))
    return roles.measure()
  }
  process.once('disconnect', () => process.exit())
  return roles[role](...process.argv.slice(2))
}

/**
 * Starts another process with the same file, in another role.
 *
 * @param {string} role
 * @param {string[]} args
 */
export function start(role, ...args) {
  const env = { ...process.env, HEARTLINE_BENCH_ROLE: role }
  const child = fork(process.argv[1], args, { env, execArgv: ['--expose-gc'] })
  running.add(child)
  const name = [role, ...args].join(' ')
  const ended = (/** @type {number | null} */ code, /** @type {string | null} */ signal) => {
    console.error(`The process "${name}" ended: ${signal ?? `code ${code}`}.`)
    process.exit(1)
  }
  child.once('exit', ended)
  /** @returns {Promise<any>} what it says next */
  const answer = async () => {
    const timer = setTimeout(() => {
      console.error(`The process "${name}" did not answer within ${ANSWER_TIMEOUT_MS} ms.`)
      process.exit(1)
    }, ANSWER_TIMEOUT_MS)
    const [message] = await once(child, 'message')
    clearTimeout(timer)
    return message
  }
  /** @param {object} question that has no answer */
  const tell = (question) => void child.send(question)
  /** @param {object} question */
  const ask = (question) => {
    tell(question)
    return answer()
  }
  const stop = () => {
    child.off('exit', ended)
    child.kill('SIGKILL')
    running.delete(child)
  }
  return { pid: child.pid, answer, ask, tell, stop }
}

/**
 * Answers the questions of the process that started this one: `{ do: 'name', … }` goes to the handler of that name. What
 * returns nothing does not answer.
 *
 * @param {Record<string, (question: any) => unknown>} handlers
 */
export function answerWith(handlers) {
  process.on('message', async (/** @type {{ do: string }} */ question) => {
    const answer = await handlers[question.do](question)
    if (answer !== undefined) process.send?.(answer)
  })
}

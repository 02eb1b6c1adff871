// @ts-check
// Benchmarks in several processes: each is one file whose functions are the roles of the processes.
import { fork } from 'node:child_process'
import { once } from 'node:events'

/** Longer than the longest question takes; then something hangs. */
const ANSWER_TIMEOUT_MS = 180_000

/**
 * Plays the role that this process was started for. The process that was not started by `start` measures.
 *
 * @param {Record<string, (...args: string[]) => unknown>} roles
 */
export function play(roles) {
  const role = process.env.HEARTLINE_BENCH_ROLE
  if (!role) return roles.measure()
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
  /** @param {object} question */
  const ask = (question) => {
    child.send(question)
    return answer()
  }
  const stop = () => {
    child.off('exit', ended)
    child.kill('SIGKILL')
  }
  return { pid: child.pid, answer, ask, stop }
}

/**
 * Answers the questions of the process that started this one: `{ do: 'name', … }` goes to the handler of that name.
 *
 * @param {Record<string, (question: any) => unknown>} handlers
 */
export function answerWith(handlers) {
  process.on('message', async (/** @type {{ do: string }} */ question) => {
    process.send?.(await handlers[question.do](question))
  })
}

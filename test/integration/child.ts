import { fork, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { bundle } from './bundle.ts'
import type { Scene } from './scene.ts'

/** A fixture in a process of its own that answers questions. It ends with its test. */
export class Child {
  readonly process: ChildProcess
  /** What it says when it is ready. */
  readonly ready: Promise<any>
  readonly exited: Promise<unknown>
  readonly #answers = new Map<number, (answer: any) => void>()
  #asked = 0

  constructor(process: ChildProcess, told: (news: any) => void) {
    this.process = process
    this.exited = once(process, 'exit')
    this.ready = this.#answer(0)
    this.ready.catch(() => {})
    process.on('message', ([id, answer]: [number | 'news', any]) => {
      if (id === 'news') return told(answer)
      this.#answers.get(id)?.(answer)
      this.#answers.delete(id)
    })
  }

  /** Asks, and resolves with the answer. */
  ask(question: unknown): Promise<any> {
    const id = ++this.#asked
    this.process.send([id, question])
    return this.#answer(id)
  }

  async kill(): Promise<void> {
    if (this.process.exitCode === null && this.process.signalCode === null && this.process.kill('SIGKILL'))
      await this.exited
  }

  #answer(id: number): Promise<any> {
    return Promise.race([
      new Promise<any>((resolve) => this.#answers.set(id, resolve)),
      this.exited.then(() => {
        throw new Error('The process ended without an answer.')
      }),
    ])
  }
}

/**
 * Starts a fixture, with its argument as JSON.
 *
 * @param told gets what the child says without being asked
 */
export async function startChild(
  scene: Scene,
  name: string,
  argument: unknown,
  { execArgv = [], told = () => {} }: { execArgv?: string[]; told?: (news: any) => void } = {},
): Promise<Child> {
  const { file, remove } = await bundle(name)
  const child = new Child(fork(file, [JSON.stringify(argument)], { execArgv }), told)
  scene.atEnd(async () => {
    await child.kill()
    await remove()
  })
  return child
}

import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { join } from 'node:path'
import { afterAll, beforeAll } from 'vitest'
import { installPackage, type InstalledPackage } from './installed-package.ts'
import type { Scene } from './scene.ts'

type Environment = Readonly<Record<string, string>>

/** Installs the package for the tests of a file. @returns what starts its command line tool */
export function installCli(): (scene: Scene, args: readonly string[], env?: Environment) => CliChild {
  let installed: InstalledPackage
  beforeAll(async () => {
    installed = await installPackage()
  })
  afterAll(() => installed.remove())
  return (scene, args, env) => new CliChild(scene, join(installed.folder, 'dist/cli.js'), args, env)
}

/** A line of `--json`. */
export interface JsonLine {
  readonly event: string
  readonly at: string
  readonly [field: string]: any
}

/** The command line tool in a process of its own. All that it writes goes into the journal. */
export class CliChild {
  readonly process: ChildProcess
  readonly lines: string[] = []
  readonly #scene: Scene
  readonly #exit: Promise<unknown>
  #errors = ''

  constructor(scene: Scene, file: string, args: readonly string[], env: Environment = {}) {
    this.#scene = scene
    this.process = spawn(process.execPath, [file, ...args], { stdio: 'pipe', env: { ...process.env, ...env } })
    // Not before all that was written has been read.
    this.#exit = once(this.process, 'close')
    createInterface({ input: this.process.stdout! }).on('line', (line) => {
      this.lines.push(line)
      scene.journal.note(`heartline ${args[0]}`, line)
    })
    this.process.stderr!.on('data', (data) => {
      this.#errors += String(data)
      scene.journal.note(`heartline ${args[0]}: error`, String(data))
    })
    void this.#exit.then(() => scene.journal.note(`heartline ${args[0]}: exit`, this.process.exitCode))
    scene.atEnd(async () => {
      this.process.kill('SIGKILL')
      await this.#exit
    })
  }

  /** What was written in all. */
  get output(): string {
    return this.lines.join('\n')
  }

  get errors(): string {
    return this.#errors
  }

  get json(): JsonLine[] {
    return this.lines.map((line) => JSON.parse(line) as JsonLine)
  }

  /** Resolves with the first line that matches. */
  line(pattern: RegExp): Promise<string> {
    return this.#scene.journal.until(`line ${pattern}`, () => this.lines.find((line) => pattern.test(line)))
  }

  /** Resolves with the first such event. */
  event(expected: string, matches: (line: JsonLine) => unknown): Promise<JsonLine> {
    return this.#scene.journal.until(expected, () => this.json.find((line) => matches(line)))
  }

  /** Resolves with the exit code, by itself or after the signal. */
  async exit(signal?: NodeJS.Signals): Promise<number | null> {
    if (signal) this.process.kill(signal)
    await this.#exit
    return this.process.exitCode
  }
}

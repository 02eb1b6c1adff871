import type { Transcript } from './transcript.ts'

/** One thing that PROTOCOL.md asks for, and how to find out whether an implementation does it. */
export interface ConformanceCase<Subject> {
  /** Stable, such as `resume/replays-what-was-missed`. */
  readonly id: string
  /** A fact about an implementation that passes. */
  readonly title: string
  /** The rules of PROTOCOL.md that it is about. */
  readonly rules: readonly string[]
  /** Optional members of the subject that it cannot do without. Skip the case if one of them is missing. */
  readonly needs: readonly (keyof Subject & string)[]
  /**
   * Tries it. Settles within the case's time, whatever the implementation does.
   *
   * @throws ConformanceError that says what was expected and what was seen
   */
  run(subject: Subject): Promise<void>
}

/** An implementation does not do what PROTOCOL.md asks for; or it could not be tried. */
export class ConformanceError extends Error {
  override readonly name = 'ConformanceError'
}

/** What a case has while it runs. */
export interface Scene {
  readonly transcript: Transcript
  /** Ends all that is left of it. */
  end(): Promise<void> | void
}

export interface CaseOptions<Subject> {
  readonly needs?: readonly (keyof Subject & string)[]
  /** @default 15000 */
  readonly timeoutMs?: number
}

/** Makes the function that defines the cases of one kind of subject. */
export function caseFactory<Subject, S extends Scene>(setUp: (subject: Subject) => Promise<S>) {
  return (
    id: string,
    title: string,
    rules: readonly string[],
    body: (scene: S, subject: Subject) => Promise<void>,
    { needs = [], timeoutMs = 15_000 }: CaseOptions<Subject> = {},
  ): ConformanceCase<Subject> => ({
    id,
    title,
    rules,
    needs,
    async run(subject) {
      const missing = needs.find((name) => subject[name] === undefined)
      if (missing) throw new ConformanceError(`${id} needs \`${missing}\` of its subject.`)
      const scene = await setUp(subject)
      let timer: ReturnType<typeof setTimeout> | undefined
      const timeout = new Promise<never>((_, reject) => {
        timer = setTimeout(() => reject(new ConformanceError(`Not done after ${timeoutMs} ms.`)), timeoutMs)
      })
      const work = body(scene, subject)
      // Whichever of the two comes second is nobody's.
      work.catch(() => {})
      try {
        await Promise.race([work, timeout])
      } catch (cause) {
        throw failure(id, title, rules, scene, cause)
      } finally {
        clearTimeout(timer)
        await scene.end()
      }
    },
  })
}

function failure(
  id: string,
  title: string,
  rules: readonly string[],
  { transcript }: Scene,
  cause: unknown,
): ConformanceError {
  const what = cause instanceof Error ? cause.message : String(cause)
  const message = `${id}: ${title} [${rules.join('] [')}]\n${what}\nWhat was seen:\n${transcript.text}`
  return new ConformanceError(message, { cause })
}

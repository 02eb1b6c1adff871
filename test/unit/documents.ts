import { readdirSync, readFileSync } from 'node:fs'

const root = new URL('../../', import.meta.url)

export function readDocument(path: string): string {
  return readFileSync(new URL(path, root), 'utf8')
}

/** The rows of the Markdown table whose first header cell is `header`, as cells without their backticks. */
export function table(document: string, header: string): string[][] {
  const lines = document.split('\n')
  const cells = (line: string) =>
    line
      .split(/(?<!\\)\|/)
      .slice(1, -1)
      .map((cell) => cell.trim().replaceAll('`', ''))
  const first = lines.findIndex(
    (line, index) => line.startsWith('|') && cells(line)[0] === header && lines[index + 1]!.startsWith('| -'),
  )
  if (first < 0) throw new Error(`no table with the header ${header}`)
  const end = lines.findIndex((line, index) => index > first && !line.startsWith('|'))
  return lines.slice(first, end).map(cells).toSpliced(1, 1)
}

/** Paths of all source files. */
export function sourceFiles(): string[] {
  return readdirSync(new URL('src', root), { recursive: true, encoding: 'utf8' })
    .filter((path) => path.endsWith('.ts'))
    .map((path) => `src/${path}`)
}

/** The anchors that a renderer gives to the headings of a document. */
export function anchors(document: string): Set<string> {
  const headings = [...document.matchAll(/^#+ (.*)$/gm)].map(([, heading]) => heading!)
  return new Set(
    headings.map((heading) =>
      heading
        .toLowerCase()
        .replace(/[^\w -]/g, '')
        .replaceAll(' ', '-'),
    ),
  )
}

/** Names of the public members of an interface or a class, in their order; without what is private, `@internal` or a symbol. */
export function membersOf(source: string, declaration: string): string[] {
  const begin = new RegExp(`^export ${declaration}\\b`, 'm').exec(source)
  if (!begin) throw new Error(`no ${declaration}`)
  const body = source.slice(begin.index, source.indexOf('\n}\n', begin.index))
  // At the first level alone; a member of several lines begins with its name.
  const names = body.matchAll(/^ {2}(?:readonly |get |async )?(\w+)\??[:(<]/gm)
  return [...names].map(([, name]) => name!).filter((name) => name !== 'constructor')
}

/** The members of a union of texts. */
export function unionOf(source: string, name: string): string[] {
  const [, union] = new RegExp(`export type ${name} =(.*?)\\n\\n`, 's').exec(source)!
  return [...union!.matchAll(/\| '(\w+)'/g)].map(([, member]) => member!)
}

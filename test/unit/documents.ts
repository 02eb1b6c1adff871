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
  const first = lines.findIndex((line) => line.startsWith('|') && cells(line)[0] === header)
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

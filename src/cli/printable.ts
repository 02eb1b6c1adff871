/** Text of the other side as it may be shown on a terminal: without control characters, which could do things there. */
export function printable(text: string, most = 120): string {
  const shown = text.replace(
    /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu,
    (character) => `\\u{${character.codePointAt(0)!.toString(16)}}`,
  )
  return shown.length > most ? `${shown.slice(0, most)}…` : shown
}

/** The URL without what may be secret in it. */
export function printableUrl({ protocol, host, pathname, search }: URL): string {
  return `${protocol}//${host}${pathname}${search && '?…'}`
}

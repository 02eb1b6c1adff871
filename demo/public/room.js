// @ts-check
import { count } from './words.js'

/** @import { Session } from 'heartline' */

/**
 * What somebody said; without a text, he or she types.
 * @typedef {{ name: string, text?: string, at: number }} Said
 *
 * @typedef {{ name: string, isAway: boolean }} Person
 */

/** Messages on the page; the server keeps more of them. */
const MAX_SHOWN = 50
/** A sign that somebody types is worth so long. */
const TYPING_MS = 2_500
/** And one is given at most so often. */
const TELL_TYPING_MS = 1_200

/** The room: two topics, what is said and who is there. What is written here goes to the server by the session. */
export class Room {
  /** How many are there, as far as this page knows. */
  here = 0
  #element
  #session
  #me
  #log
  #lines
  #waiting
  #input
  #write
  /** Until when each of the others types, by name. @type {Map<string, number>} */
  #typing = new Map()
  /** When each has said something, by the server's clock. @type {Map<string, number>} */
  #saidAt = new Map()
  #toldTypingAt = 0
  #resumedAt = 0

  /**
   * @param {HTMLElement} element
   * @param {Session} session
   * @param {string} me the name that the server has given to this page
   */
  constructor(element, session, me) {
    this.#element = element
    this.#session = session
    this.#me = me
    const part = (/** @type {string} */ name) =>
      /** @type {HTMLElement} */ (element.querySelector(`[data-testid="room-${name}"]`))
    this.#write = (/** @type {string} */ name, /** @type {string} */ text) => setText(part(name), text)
    this.#log = part('log')
    this.#lines = part('lines')
    this.#waiting = part('waiting')
    this.#input = /** @type {HTMLInputElement} */ (part('text'))
    this.#write('me', me)
    part('composer').addEventListener('submit', (event) => {
      event.preventDefault()
      void this.#say(this.#input.value.trim())
    })
    this.#input.addEventListener('input', () => this.#tellTyping())
    session.on('resumed', () => (this.#resumedAt = Date.now()))

    const said = session.subscribe('room', { from: { last: MAX_SHOWN } })
    said.on('message', ({ data, position }) => this.#hear(JSON.parse(String(data)), position?.offset))
    said.on('gap', ({ from, to }) => {
      const missing = to === undefined ? 'Some messages' : count(to - from + 1, 'message')
      this.#add(
        Object.assign(document.createElement('li'), {
          className: 'hole',
          textContent: `${missing} missing here: the server had let go of them.`,
        }),
      )
    })
    // Only the newest list counts: the topic keeps no other, and its gaps mean nothing.
    const people = session.subscribe('people', { from: { last: 1 } })
    people.on('message', ({ data }) => this.#showPeople(part('people'), JSON.parse(String(data))))
  }

  /** @param {number} now @param {boolean} isInTrouble whether the connection is dead, known to the session or not */
  render(now, isInTrouble) {
    const names = [...this.#typing].filter(([, until]) => until > now).map(([name]) => name)
    this.#write('typing', names.length ? `${names.join(', ')} ${names.length > 1 ? 'are' : 'is'} typing…` : '')
    const isOpen = this.#session.state === 'open'
    this.#write(
      'state',
      !isOpen ? 'No connection. Nothing that is said gets lost.' : isInTrouble ? 'Dead, and not noticed yet.' : '',
    )
    this.#write('around', isOpen ? 'In the room:' : 'In the room, as far as known:')
    this.#element.toggleAttribute('data-stale', !isOpen)
  }

  /** @param {string} text */
  async #say(text) {
    if (!text) return
    this.#input.value = ''
    this.#toldTypingAt = 0
    const item = line(this.#me, text)
    const fate = tag('kept until it arrives')
    item.lastElementChild?.append(fate)
    item.classList.add('mine')
    this.#waiting.append(item)
    this.#log.scrollTop = this.#log.scrollHeight
    try {
      // Resolves when it is published.
      await this.#session.send(JSON.stringify({ say: text }))
      item.remove()
    } catch {
      setText(fate, 'not sent')
    }
  }

  #tellTyping() {
    const now = performance.now()
    // Nobody needs to know later.
    if (this.#session.state !== 'open' || now < this.#toldTypingAt + TELL_TYPING_MS) return
    this.#toldTypingAt = now
    void this.#session.send(JSON.stringify({ typing: true }))
  }

  /** @param {Said} said @param {number | undefined} offset */
  #hear({ name, text, at }, offset) {
    if (text === undefined || offset === undefined) {
      // A volatile message may come a little behind what was published after it.
      if (at > (this.#saidAt.get(name) ?? 0)) this.#typing.set(name, performance.now() + TYPING_MS)
      return
    }
    this.#typing.delete(name)
    this.#saidAt.set(name, at)
    const item = line(name, text, offset)
    item.classList.toggle('mine', name === this.#me)
    if (at < this.#resumedAt && name !== this.#me) item.lastElementChild?.append(tag('waited for you'))
    this.#add(item)
  }

  /** @param {HTMLElement} item */
  #add(item) {
    const log = this.#log
    // Who reads what is above is left there.
    const isAtEnd = log.scrollHeight - log.scrollTop - log.clientHeight < 40
    this.#lines.append(item)
    if (this.#lines.children.length > MAX_SHOWN) this.#lines.firstElementChild?.remove()
    if (isAtEnd) log.scrollTop = log.scrollHeight
  }

  /** @param {HTMLElement} list @param {Person[]} people */
  #showPeople(list, people) {
    this.here = people.filter(({ isAway }) => !isAway).length
    for (const name of this.#typing.keys())
      if (!people.some((person) => person.name === name && !person.isAway)) this.#typing.delete(name)
    list.replaceChildren(
      ...people.map(({ name, isAway }) => {
        const item = document.createElement('li')
        item.dataset['tone'] = isAway ? 'warn' : 'good'
        item.append(
          element('b', name),
          name === this.#me ? ' (this tab)' : '',
          element('small', isAway ? 'away' : 'here'),
        )
        return item
      }),
    )
  }
}

/** @param {string} name @param {string} text @param {number} [offset] its number in the topic */
function line(name, text, offset) {
  const item = document.createElement('li')
  // In `bdi`, so that no text turns what is beside it around.
  const words = element('p', '')
  words.append(element('b', name), element('bdi', text))
  item.append(element('small', offset === undefined ? '' : String(offset)), words)
  return item
}

/** @param {string} text */
function tag(text) {
  return Object.assign(element('em', text), { className: 'tag' })
}

/** @param {string} name @param {string} text */
function element(name, text) {
  return Object.assign(document.createElement(name), { textContent: text })
}

/** @param {HTMLElement} element @param {string} text */
function setText(element, text) {
  if (element.textContent !== text) element.textContent = text
}

/**
 * Tries everything that the WHATWG WebSocket interface says on one class, inside the page, and returns what was seen as
 * plain data. It must stand alone: it is sent to the page as text.
 *
 * @param name `NativeWebSocket` or a class of heartline
 * @param url of a server that echoes, and closes with 4001 when told `close 4001`
 * @param refusedUrl where nobody listens
 */
export async function trials(name: string, url: string, refusedUrl: string): Promise<Record<string, unknown>> {
  const Class: any = name === 'NativeWebSocket' ? NativeWebSocket : (heartline as any)[name]
  const types = ['open', 'message', 'error', 'close'] as const
  const constants = ['CONNECTING', 'OPEN', 'CLOSING', 'CLOSED']
  const seen: Record<string, unknown> = {}
  const queue: (() => Promise<void>)[] = []
  let sockets: any[] = []

  const make = (...args: unknown[]): any => {
    const socket = new Class(...args)
    sockets.push(socket)
    return socket
  }

  /** What the function returns, or the name of what it throws. */
  const outcome = (run: () => unknown): unknown => {
    try {
      const result = run()
      return result instanceof EventTarget ? 'a socket' : result === undefined ? 'nothing' : result
    } catch (error: any) {
      return `throws ${error instanceof DOMException ? 'DOMException ' : ''}${error.name}`
    }
  }
  /**
   * Notes what the promise resolves with. One after the other, and each with its connections open at the end, since
   * Chromium delays connections for seconds if many are wanted or most of them fail.
   */
  const trial = (what: string, run: () => Promise<unknown>): void => {
    queue.push(async () => {
      const result = run().catch((error) => `rejects with ${error.name}: ${error.message}`)
      seen[what] = await Promise.race([result, after(5_000, 'nothing within 5 s')])
      const ends = sockets.map(async (socket) => {
        if (socket.readyState === 0) await Promise.race([next(socket, 'open'), next(socket, 'close')])
        const end = socket.readyState < 3 && next(socket, 'close')
        socket.close(1000)
        await end
      })
      await Promise.race([Promise.all(ends), after(5_000, undefined)])
      sockets = []
    })
  }
  const after = (ms: number, value: unknown): Promise<unknown> =>
    new Promise((resolve) => void setTimeout(resolve, ms, value))
  const next = (socket: any, type: string): Promise<any> =>
    new Promise((resolve) => socket.addEventListener(type, resolve, { once: true }))
  const opened = async (...args: unknown[]): Promise<any> => {
    const socket = make(...(args.length ? args : [url]))
    await next(socket, 'open')
    return socket
  }
  const history = (socket: any): unknown[] => {
    const events: unknown[] = []
    for (const type of types) {
      socket.addEventListener(type, (event: any) => {
        if (type === 'error') events.push([type])
        else if (type === 'message') events.push([type, socket.readyState, event.data])
        else if (type === 'close') events.push([type, socket.readyState, event.code, event.reason, event.wasClean])
        else events.push([type, socket.readyState])
      })
    }
    return events
  }
  const describeProperty = (target: object, property: string): unknown => {
    const descriptor = Object.getOwnPropertyDescriptor(target, property)
    if (!descriptor) return 'none'
    const { enumerable, configurable, writable, value, get, set } = descriptor
    return {
      enumerable,
      configurable,
      writable,
      value: typeof value === 'function' ? 'function' : value,
      get: !!get,
      set: !!set,
    }
  }
  /** Where in the prototype chain the property is. */
  const prototypeOf = (property: string): object => {
    let prototype = Class.prototype
    while (prototype && !Object.hasOwn(prototype, property)) prototype = Object.getPrototypeOf(prototype)
    return prototype ?? {}
  }

  // The interface
  const never = new Class(refusedUrl)
  seen['class: is a function'] = typeof Class
  seen['class: number of required arguments'] = Class.length
  seen['class: call without new'] = outcome(() => Class(url))
  seen['class: no arguments'] = outcome(() => new Class())
  seen['class: extends EventTarget'] = never instanceof EventTarget
  seen['class: toString'] = String(never)
  for (const constant of constants) {
    const owner = Object.hasOwn(Class, constant) ? Class : Object.getPrototypeOf(Class)
    seen[`constants: ${constant} of the class`] = [Class[constant], describeProperty(owner, constant)]
    seen[`constants: ${constant} of the prototype`] = [
      never[constant],
      describeProperty(prototypeOf(constant), constant),
    ]
  }
  for (const type of types) {
    seen[`handlers: property on${type}`] = describeProperty(prototypeOf(`on${type}`), `on${type}`)
  }
  const attributes = ['url', 'readyState', 'bufferedAmount', 'extensions', 'protocol', 'binaryType']
  for (const attribute of attributes) {
    const { get, set } = describeProperty(prototypeOf(attribute), attribute) as { get: boolean; set: boolean }
    seen[`attributes: accessors of ${attribute}`] = [get, set]
    if (!set) seen[`attributes: assignment to ${attribute}`] = outcome(() => void (never[attribute] = 1))
  }
  seen['methods'] = ['send', 'close'].map((method) => [typeof never[method], never[method].length])
  seen['attributes: at first'] = attributes
    .filter((attribute) => attribute !== 'url')
    .map((attribute) => never[attribute])

  // The constructor
  const urls: Record<string, unknown> = {
    'with a path': `${url}a/b?c=d`,
    'without a path': url.slice(0, -1),
    'with a needless port and case': 'WS://LOCALHOST:80/A',
    'of http:': url.replace('ws:', 'http:'),
    'that is relative': '/relative',
    'that is empty': '',
    'that is an URL object': new URL(url),
    'that is an object with toString': { toString: () => url },
    'that is undefined': undefined,
    'that is null': null,
    'with spaces around': `  ${url} `,
    'with a fragment': `${url}#fragment`,
    'with an empty fragment': `${url}#`,
    'of ftp:': 'ftp://127.0.0.1/',
    'of mailto:': 'mailto:a@b.c',
    'that cannot be parsed': 'ws://[',
    'with a bad port': 'ws://127.0.0.1:99999/',
    'that is a symbol': Symbol('url'),
  }
  for (const [what, value] of Object.entries(urls)) {
    trial(`constructor: URL ${what}`, async () => outcome(() => make(value).url))
  }
  const protocols: Record<string, unknown> = {
    one: 'a',
    'a list': ['a', 'b'],
    'an empty list': [],
    undefined: undefined,
    'a set': new Set(['a', 'b']),
    'differing in case': ['a', 'A'],
    null: null,
    'a number': 7,
    'an object': {},
    'the empty string': '',
    'a space': 'a b',
    'a comma': 'a,b',
    'a letter beyond ASCII': 'ä',
    'the same twice': ['a', 'a'],
    'one good and one bad': ['a', ''],
    'a list in a list': [['a']],
  }
  for (const [what, value] of Object.entries(protocols)) {
    trial(`constructor: protocols ${what}`, async () => outcome(() => make(url, value).protocol))
  }
  trial('constructor: the protocol that the server chose', async () => (await opened(url, ['a', 'b'])).protocol)
  trial('constructor: no protocol', async () => (await opened(url)).protocol)
  trial('constructor: extensions', async () => (await opened(url)).extensions)

  // Handlers and listeners
  const handlerTrial = (): unknown => {
    const results: unknown[] = [never.onopen]
    const handler = (): void => {}
    const object = { handleEvent() {} }
    for (const value of [handler, null, handler, undefined, handler, 'text', handler, 7, handler, object, handler]) {
      never.onopen = value
      results.push(never.onopen === value ? 'kept' : never.onopen)
    }
    never.onopen = null
    return results
  }
  seen['handlers: values that are kept'] = handlerTrial()
  trial('handlers: order among listeners', async () => {
    const socket = make(url)
    const order: string[] = []
    socket.addEventListener('open', () => order.push('first listener'))
    socket.onopen = () => order.push('handler that is replaced')
    socket.addEventListener('open', () => order.push('second listener'))
    socket.onopen = function (this: unknown, event: Event) {
      order.push(
        `handler, this ${this === socket}, target ${event.target === socket}, ${event.currentTarget === socket}`,
      )
    }
    await next(socket, 'open')
    return order
  })
  trial('handlers: one that is removed and set again comes last', async () => {
    const socket = make(url)
    const order: string[] = []
    socket.onopen = () => order.push('handler')
    socket.addEventListener('open', () => order.push('listener'))
    socket.onopen = null
    socket.onopen = () => order.push('handler')
    await next(socket, 'open')
    return order
  })
  trial('handlers: an object is not called', async () => {
    const socket = make(url)
    let calls = 0
    socket.onopen = { handleEvent: () => calls++ }
    await next(socket, 'open')
    return calls
  })
  trial('listeners: objects, once, twice the same, removed, aborted', async () => {
    const socket = await opened()
    const calls: string[] = []
    const twice = (): void => void calls.push('twice')
    const removed = (): void => void calls.push('removed')
    const abort = new AbortController()
    socket.addEventListener('message', { handleEvent: () => calls.push('object') })
    socket.addEventListener('message', () => calls.push('once'), { once: true })
    socket.addEventListener('message', twice)
    socket.addEventListener('message', twice)
    socket.addEventListener('message', removed)
    socket.removeEventListener('message', removed)
    socket.addEventListener('message', () => calls.push('aborted'), { signal: abort.signal })
    socket.addEventListener('message', null)
    abort.abort()
    for (const text of ['one', 'two']) {
      socket.send(text)
      await next(socket, 'message')
    }
    return calls
  })
  trial('listeners: one that throws does not stop the others', async () => {
    const socket = make(url)
    let calls = 0
    socket.addEventListener('open', failing('a trial'))
    socket.addEventListener('open', () => calls++)
    await next(socket, 'open')
    return [calls, socket.readyState]
  })

  // Events
  const eventFields = (event: any): unknown => ({
    class: event.constructor.name,
    isEvent: event instanceof Event,
    isMessageEvent: event instanceof MessageEvent,
    isCloseEvent: event instanceof CloseEvent,
    type: event.type,
    bubbles: event.bubbles,
    cancelable: event.cancelable,
    composed: event.composed,
    eventPhase: event.eventPhase,
    path: event.composedPath().length,
    timeStamp: event.timeStamp > 0,
    message: [
      event.origin,
      event.lastEventId,
      event.source,
      event.ports?.length,
      event.ports && Object.isFrozen(event.ports),
    ],
    close: [event.code, event.reason, event.wasClean],
  })
  const fieldsOf = (socket: any, type: string): Promise<unknown> =>
    new Promise((resolve) =>
      socket.addEventListener(type, (event: Event) => resolve(eventFields(event)), { once: true }),
    )
  trial('events: open', () => fieldsOf(make(url), 'open'))
  trial('events: message', async () => {
    const socket = await opened()
    socket.send('text')
    return fieldsOf(socket, 'message')
  })
  trial('events: error', () => fieldsOf(make(refusedUrl), 'error'))
  trial('events: close', async () => {
    const socket = await opened()
    socket.close(3999, 'reason')
    return fieldsOf(socket, 'close')
  })
  trial('events: isTrusted', async () => (await next(make(url), 'open')).isTrusted)
  trial('events: fields that only error events have', async () => {
    const event = await next(make(refusedUrl), 'error')
    return ['error', 'message'].filter((field) => field in event)
  })

  // The life of a socket: events in order, each with the readyState that its listeners see
  const life = (what: string, act: (socket: any) => void | Promise<void>, where = url): void => {
    trial(`life: ${what}`, async () => {
      const socket = make(where)
      const events = history(socket)
      const end = next(socket, 'close')
      await act(socket)
      await end
      await after(50, undefined)
      return [...events, ['at last', socket.readyState, socket.url === where, socket.protocol]]
    })
  }
  life('a server that is not there', () => {}, refusedUrl)
  life('closed while connecting', (socket) => socket.close())
  life('closed with a code while connecting', (socket) => socket.close(3000, 'early'))
  life('closed by the server', async (socket) => {
    await next(socket, 'open')
    socket.send('close 4001')
  })
  life('closed when it opens', (socket) => void (socket.onopen = () => socket.close(3000, 'now')))
  life('closed when it opens, without a code', (socket) => void (socket.onopen = () => socket.close()))
  life('sending when it opens, closing at the second message', (socket) => {
    let messages = 0
    socket.onopen = () => ['one', 'two', 'three'].forEach((text) => socket.send(text))
    socket.onmessage = () => ++messages === 2 && socket.close(3001)
  })
  life('closed behind messages', async (socket) => {
    await next(socket, 'open')
    socket.send('one')
    socket.close(1000, 'done')
  })
  life('closed twice', async (socket) => {
    await next(socket, 'open')
    socket.close(3000, 'first')
    socket.close(3001, 'second')
  })
  life('closed again in the close event', async (socket) => {
    await next(socket, 'open')
    socket.onclose = () => socket.close(3001, 'again')
    socket.close(3000, 'first')
  })
  life('closed in the error event', (socket) => void (socket.onerror = () => socket.close()), refusedUrl)
  trial('readyState: after close()', async () => {
    const connecting = make(url)
    connecting.close(1000)
    const states = [connecting.readyState]
    const open = await opened()
    open.close(1000)
    return [...states, open.readyState]
  })
  trial('readyState: in the error event of an attempt that fails', async () => {
    const socket = make(refusedUrl)
    await next(socket, 'error')
    return socket.readyState
  })
  trial('readyState: in the error event of an attempt that was closed', async () => {
    const socket = make(url)
    socket.close(1000)
    await next(socket, 'error')
    return socket.readyState
  })

  // close()
  const e61 = 'é'.repeat(61)
  const closeArguments: Record<string, unknown[]> = {
    nothing: [],
    undefined: [undefined],
    'undefined twice': [undefined, undefined],
    '1000': [1000],
    '1000 and a reason': [1000, 'done'],
    '3000': [3000, ''],
    '4999': [4999, 'reason'],
    'text "3000"': ['3000'],
    '3000.7': [3000.7],
    '2999.6': [2999.6],
    '1000.4': [1000.4],
    '4999.6': [4999.6],
    true: [true],
    null: [null],
    NaN: [NaN],
    '0': [0],
    '-1': [-1],
    '999': [999],
    '1001': [1001],
    '1005': [1005],
    '1006': [1006],
    '2999': [2999],
    '5000': [5000],
    '66536': [66_536],
    Infinity: [Infinity],
    'an object': [{}],
    'a reason of null': [3000, null],
    'a reason that is undefined': [3000, undefined],
    'a reason that is a number': [3000, 7],
    'a reason that is an object': [3000, { toString: () => 'object' }],
    'a reason of 123 bytes': [3000, `${e61}x`],
    'a reason of 124 bytes': [3000, `${e61}xx`],
    'a reason with a lone surrogate': [3000, '\uD800'],
    'a reason of 41 lone surrogates': [3000, '\uD800'.repeat(41)],
    'a reason of 42 lone surrogates': [3000, '\uD800'.repeat(42)],
    'a bad code and a long reason': [1, 'x'.repeat(124)],
  }
  for (const [what, args] of Object.entries(closeArguments)) {
    trial(`close() with ${what}`, async () => {
      const socket = await opened()
      const end = next(socket, 'close')
      const result = outcome(() => socket.close(...args))
      if (result !== 'nothing') return [result, socket.readyState]
      const { code, reason, wasClean } = await end
      return [code, reason, wasClean]
    })
    trial(`close() while connecting with ${what}`, async () => outcome(() => make(url).close(...args)))
  }

  // Chromium throws; the standard does not.
  for (const reason of ['', 'reason']) {
    trial(`close() with undefined and the reason "${reason}" either throws or closes`, async () => {
      const socket = await opened()
      const end = next(socket, 'close')
      if (outcome(() => socket.close(undefined, reason)) !== 'nothing') return socket.readyState === 1
      return (await end).wasClean
    })
  }

  // send()
  const sendArguments: Record<string, () => unknown> = {
    text: () => 'text',
    'an empty text': () => '',
    'text beyond ASCII': () => 'héllo 😀',
    'a lone surrogate': () => '\uD800',
    'a number': () => 7,
    null: () => null,
    undefined: () => undefined,
    true: () => true,
    'an object': () => ({}),
    'an object with toString': () => ({ toString: () => 'object' }),
    'an array': () => ['a', 'b'],
    'a String object': () => Object('text'),
    'an ArrayBuffer': () => new Uint8Array([1, 2, 3]).buffer,
    'an empty ArrayBuffer': () => new ArrayBuffer(0),
    'a part of a buffer': () => new Uint8Array([1, 2, 3, 4]).subarray(1, 3),
    'a DataView': () => new DataView(new Uint8Array([1, 2, 3]).buffer, 1),
    'numbers of 16 bits': () => new Uint16Array([1, 2]),
    'a Blob': () => new Blob(['blob']),
    'a URL': () => new URL('http://a.b/'),
  }
  const received = async ({ data }: { data: unknown }): Promise<unknown> => {
    if (data instanceof Blob) return ['Blob', data.type, ...new Uint8Array(await data.arrayBuffer())]
    if (data instanceof ArrayBuffer) return ['ArrayBuffer', ...new Uint8Array(data)]
    return [typeof data, data]
  }
  for (const [what, content] of Object.entries(sendArguments)) {
    trial(`send() of ${what}`, async () => {
      const socket = await opened()
      const result = outcome(() => socket.send(content()))
      const amounts = [socket.bufferedAmount]
      if (result !== 'nothing') return [result, socket.readyState]
      const echo = await received(await next(socket, 'message'))
      amounts.push(socket.bufferedAmount)
      return [echo, amounts]
    })
    trial(`send() of ${what} after close()`, async () => {
      const socket = await opened()
      socket.close(1000)
      const closing = outcome(() => socket.send(content()))
      const amounts = [socket.bufferedAmount]
      await next(socket, 'close')
      const closed = outcome(() => socket.send(content()))
      amounts.push(socket.bufferedAmount)
      return [closing, closed, amounts]
    })
    trial(`send() of ${what} while connecting`, async () => outcome(() => make(url).send(content())))
  }
  trial('send() of nothing at all', async () => {
    const socket = await opened()
    return outcome(() => socket.send())
  })
  trial('send() of a buffer that changes afterwards', async () => {
    const socket = await opened()
    socket.binaryType = 'arraybuffer'
    const bytes = new Uint8Array([1, 2, 3])
    socket.send(bytes)
    bytes.fill(9)
    return received(await next(socket, 'message'))
  })
  trial('send() of many at once keeps the order', async () => {
    const socket = await opened()
    socket.binaryType = 'arraybuffer'
    const events: unknown[] = []
    const done = new Promise((resolve) => {
      socket.onmessage = async (event: MessageEvent) => {
        events.push(typeof event.data)
        if (events.length === 6) resolve(events)
      }
    })
    for (const data of ['1', new Blob(['2']), '3', new Uint8Array([4]), '5', new ArrayBuffer(6)]) socket.send(data)
    return done
  })

  // binaryType
  const binaryTypes: unknown[] = [never.binaryType]
  for (const value of ['arraybuffer', 'nonsense', 'blob', undefined, 'ArrayBuffer', null, 'arraybuffer']) {
    binaryTypes.push(
      outcome(() => void (never.binaryType = value)),
      never.binaryType,
    )
  }
  seen['binaryType: values that are kept'] = binaryTypes
  for (const when of ['at first', 'while connecting', 'when open']) {
    trial(`binaryType: arraybuffer set ${when}`, async () => {
      const socket = make(url)
      if (when === 'while connecting') socket.binaryType = 'arraybuffer'
      await next(socket, 'open')
      if (when === 'when open') socket.binaryType = 'arraybuffer'
      socket.send(new Uint8Array([1, 2]))
      return received(await next(socket, 'message'))
    })
  }

  for (const run of queue) await run()
  return JSON.parse(JSON.stringify(seen, (_key, value) => (value === undefined ? 'undefined' : value)))
}

import type { Store } from '../../src/server/index.ts'

/**
 * A store whose answers about topics come turns of the event loop later, as those over a network do. Its hints come later, too,
 * and say no more than where the log ends.
 */
export function slowTopics(store: Store): Store {
  const later = async <T>(answer: T): Promise<T> => {
    for (let turns = 0; turns < 3; turns++) await new Promise(setImmediate)
    return answer
  }
  return {
    create: (session) => store.create(session),
    attach: (request) => store.attach(request),
    commit: (session, commit) => store.commit(session, commit),
    append: (session, payload) => store.append(session, payload),
    read: (session, after) => store.read(session, after),
    end: (session, attach) => store.end(session, attach),
    publish: async (topic, entry, retention) => later(await store.publish(topic, entry, retention)),
    topic: async (topic) => later(await store.topic(topic)),
    readTopic: async (topic, after) => {
      const slice = await store.readTopic(topic, after)
      const { first, last } = slice
      const entries = Array.from({ length: last - first + 1 }, (_, index) => slice.at(first + index))
      return later({ first, last, at: (offset) => entries[offset - first]! })
    },
    watch: async (topic, listener) =>
      later(await store.watch(topic, (position) => void later(position).then((told) => listener(told, undefined)))),
  }
}

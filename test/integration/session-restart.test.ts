import { expect } from 'vitest'
import { startChild } from './child.ts'
import { numbered, test } from './session-scene.ts'

test('a server that is killed and started again: a new session, exactly what is in doubt handed back, a gap, and the rest goes on (field notes: 0 of 20 after a node kill, an unknown resume token)', async ({
  scene,
}) => {
  const handled: string[] = []
  const start = (greetings: string[]) =>
    startChild(
      scene,
      'restart-server-child',
      { greetings },
      {
        told: (news) => {
          handled.push(news.handled)
          scene.journal.note('handled', news)
        },
      },
    )
  const first = await start(numbered('first server', 3))
  const proxy = await scene.proxy({ port: await first.ready })
  let pause = Promise.resolve()
  const client = scene.connect(async () => {
    await pause
    return proxy.url
  })
  const { session } = client
  const seen: string[] = []
  for (const type of ['gap', 'lost'] as const) session.on(type, () => seen.push(type))
  session.on('message', ({ data }) => {
    seen.push(String(data))
    scene.journal.note('message', data)
  })
  await scene.journal.until('the greetings', () => seen.length === 3)
  await Promise.all(numbered('done', 3).map((text) => session.send(text)))
  const inDoubt = ['hold 4', 'behind 5', 'behind 6'].map((text) => session.send(text))
  await scene.journal.until('the message to be handled for ever', () => handled.includes('hold 4'))
  const { id } = session

  let goOn = () => {}
  pause = new Promise((resolve) => (goOn = resolve))
  await first.kill()
  await scene.journal.until('the client to know', () => client.states.at(-1)!.state !== 'open')
  const unsent = numbered('unsent', 3, 7).map((text) => session.send(text))
  const second = await start(numbered('second server', 2))
  proxy.retarget(await second.ready)
  goOn()

  await Promise.all(unsent)
  for (const { status, reason } of (await Promise.allSettled(inDoubt)) as PromiseRejectedResult[])
    expect([status, reason.code]).toEqual(['rejected', 'ERR_SESSION_LOST'])
  await scene.journal.until('the greetings of the second server', () => seen.includes('second server 2'))
  expect(client.lost).toEqual(['hold 4', 'behind 5', 'behind 6'].map((data) => ({ data, wasSent: true })))
  expect(client.losses).toHaveLength(1)
  expect(client.gaps).toMatchObject([{ stream: 'inbox', from: 4, to: undefined, reason: 'unknown' }])
  expect(session.id).not.toBe(id)
  expect(client.resumes).toEqual([])
  // What was missing is told before what came after it; and nothing was done twice.
  expect(seen.filter((what) => what !== 'lost')).toEqual([
    ...numbered('first server', 3),
    'gap',
    ...numbered('second server', 2),
  ])
  await scene.journal.until('the unsent messages', () => handled.includes('unsent 9'))
  expect(handled).toEqual([...numbered('done', 3), 'hold 4', ...numbered('unsent', 3, 7)])
  // It is a session like any other.
  proxy.reset()
  await session.send('done again')
  expect(client.resumes).toHaveLength(1)
  expect([client.gaps.length, client.losses.length]).toEqual([1, 1])
})

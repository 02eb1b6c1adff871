import { startChild } from './child.ts'
import { clientOptions, heartbeat, PER_SECOND, storm, STORM_TIMEOUT_MS, weather } from './storm.ts'
import { test } from './session-scene.ts'

test(
  'two processes that talk through every fault lose nothing, get nothing twice and nothing out of order',
  { timeout: STORM_TIMEOUT_MS },
  async ({ scene }) => {
    const drawn = storm('Node')
    const server = await startChild(scene, 'storm-server-child', { perSecond: PER_SECOND, heartbeat })
    const proxy = await scene.proxy({ port: await server.ready })
    const client = await startChild(scene, 'storm-client-child', {
      url: proxy.url,
      perSecond: PER_SECOND,
      options: clientOptions,
    })
    await client.ready
    await weather('Node', drawn, proxy, server, {
      stop: () => client.ask('stop'),
      report: () => client.ask('report'),
      status: () => client.ask('status'),
    })
  },
)

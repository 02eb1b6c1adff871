import { once } from 'node:events'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import express from 'express'
import { describe, expect } from 'vitest'
import { WebSocket, WebSocketServer } from 'ws'
import { createServer as createSessionServer } from '../../src/server/index.ts'
import { hello, RawClient } from './hostile/raw-client.ts'
import { test, type SessionScene } from './session-scene.ts'

async function httpServer(scene: SessionScene, server: Server): Promise<string> {
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  scene.atEnd(() => {
    server.closeAllConnections()
    server.close()
  })
  return `127.0.0.1:${(server.address() as AddressInfo).port}`
}

describe('a server at an HTTP server that is there', () => {
  test('leaves requests and other upgrades to those that were there before, and the port open when it closes', async ({
    scene,
  }) => {
    const http = createServer((_, response) => response.end('a page'))
    const others = new WebSocketServer({ noServer: true })
    http.on('upgrade', (request, socket, head) => {
      if (request.url !== '/other') return
      others.handleUpgrade(request, socket, head, (webSocket) => webSocket.send('another WebSocket server'))
    })
    const address = await httpServer(scene, http)
    const server = await scene.sessionServer({ server: http, path: '/live' })
    expect(await server.server.listening).toEqual({ host: '127.0.0.1', port: server.port })

    const client = scene.connect(`ws://${address}/live?and=more`)
    await client.session.send('hello')
    expect(server.sessions[0]!.texts).toEqual(['hello'])
    const other = new WebSocket(`ws://${address}/other`)
    scene.atEnd(() => other.terminate())
    expect(String((await once(other, 'message'))[0])).toBe('another WebSocket server')
    expect(await (await fetch(`http://${address}/live`)).text()).toBe('a page')

    await server.server.close()
    expect(await (await fetch(`http://${address}/`)).text()).toBe('a page')
    expect([http.listening, http.listenerCount('upgrade')]).toEqual([true, 1])
    // Its path is free for the next one.
    const next = await scene.sessionServer({ server: http, path: '/live' })
    await client.session.send('again')
    expect(next.sessions[0]!.texts).toEqual(['again'])
  })

  test('can be that of an Express application', async ({ scene }) => {
    const app = express()
    app.get('/', (_, response) => response.send('a page of Express'))
    const http = app.listen(0, '127.0.0.1', () => {})
    scene.atEnd(() => http.close())
    const server = await scene.sessionServer({ server: http, path: '/live' })
    const client = scene.connect(`ws://127.0.0.1:${server.port}/live`)
    await client.session.send('hello')
    client.transport.terminate()
    await client.session.send('again')
    expect(server.sessions[0]!.texts).toEqual(['hello', 'again'])
    const page = await fetch(`http://127.0.0.1:${server.port}/`)
    expect([await page.text(), page.headers.get('x-powered-by')]).toEqual(['a page of Express', 'Express'])
    expect((await fetch(`http://127.0.0.1:${server.port}/live`)).status).toBe(404)
  })

  test('can be one of several', async ({ scene }) => {
    const http = createServer()
    const servers = [
      await scene.sessionServer({ server: http.listen(0, '127.0.0.1'), path: '/one' }),
      await scene.sessionServer({ server: http, path: '/two' }),
    ]
    scene.atEnd(() => http.close())
    for (const [index, path] of ['/one', '/two'].entries()) {
      const client = scene.connect(`ws://127.0.0.1:${servers[index]!.port}${path}`)
      await client.session.send(path)
      expect(servers[index]!.sessions[0]!.texts).toEqual([path])
    }
  })

  test('resolves `listening` when that one listens', async ({ scene }) => {
    const http = createServer()
    const server = createSessionServer({ server: http })
    scene.atEnd(() => server.close())
    const address = await httpServer(scene, http)
    expect(`127.0.0.1:${(await server.listening).port}`).toBe(address)
    await scene.isOpen(scene.connect(`ws://${address}`))
  })
})

describe('a server with a port of its own', () => {
  test('says so if the port is in use, and nothing else comes of it', async ({ scene }) => {
    const first = await scene.sessionServer()
    const second = createSessionServer({ port: first.port })
    const errors: unknown[] = []
    second.on('error', (error) => {
      errors.push(error)
      scene.journal.note('error')
    })
    await expect(second.listening).rejects.toMatchObject({ code: 'ERR_LISTEN', cause: { code: 'EADDRINUSE' } })
    await scene.journal.until('the error event', () => errors.length)
    expect(errors).toEqual([
      expect.objectContaining({ code: 'ERR_LISTEN', cause: expect.objectContaining({ code: 'EADDRINUSE' }) }),
    ])
    await second.close()
    const client = scene.connect(first.url)
    await client.session.send('the first one is not concerned')
  })

  test('takes no application for a server, and no text for a list of origins', () => {
    expect(() => createSessionServer({ server: express() as never })).toThrow(/createServer\(app\)/)
    expect(() => createSessionServer({ port: 0, allowedOrigins: 'http://localhost:5173' as never })).toThrow(
      /allowedOrigins.*array.*"http:\/\/localhost:5173"/,
    )
  })

  test('throws for a listener of an event that never comes', async ({ scene }) => {
    const server = await scene.sessionServer({})
    expect(() => server.server.on('connection' as never, () => {})).toThrow(/session, ghost, error/)
    const { session } = scene.connect(server.url)
    expect(() => session.on('open' as never, () => {})).toThrow(/message, state/)
    expect(() => session.on('message', undefined as never)).toThrow(/function/)
  })

  test('tells a browser what it is, and answers the wrong kind of upgrade', async ({ scene }) => {
    const server = await scene.sessionServer({ path: '/live' })
    expect((await fetch(`http://127.0.0.1:${server.port}/`)).status).toBe(426)
    for (const [path, protocols, status] of [
      ['/live', [], 400],
      ['/live', ['something.else'], 400],
      ['/elsewhere', ['heartline.v1'], 404],
    ] as const) {
      const socket = new WebSocket(`${server.url}${path}`, [...protocols])
      scene.atEnd(() => socket.terminate())
      const [error] = (await once(socket, 'error')) as [Error]
      expect(error.message).toContain(String(status))
    }
  })
})

describe('pages of', () => {
  const connect = async (scene: SessionScene, url: string, origin: string) => {
    const raw = RawClient.entering(url, hello, { origin })
    scene.atEnd(() => raw.socket.terminate())
    await raw.opened()
    return raw.error ? raw.error.message : (await raw.welcome()).resumed
  }

  test('another origin may not connect by default, those of the server’s own may', async ({ scene }) => {
    const server = await scene.sessionServer()
    expect(await connect(scene, server.url, 'https://evil.example')).toContain('403')
    expect(await connect(scene, server.url, 'null')).toContain('403')
    expect(await connect(scene, server.url, `http://127.0.0.1:${server.port}`)).toBe(false)
    expect(await connect(scene, server.url, `http://127.0.0.1:${server.port}.evil.example`)).toContain('403')
  })

  test('the origins that were named may connect', async ({ scene }) => {
    const server = await scene.sessionServer({ allowedOrigins: ['https://good.example'] })
    expect(await connect(scene, server.url, 'https://good.example')).toBe(false)
    expect(await connect(scene, server.url, 'https://good.example.evil.example')).toContain('403')
    expect(await connect(scene, server.url, `http://127.0.0.1:${server.port}`)).toContain('403')
  })
})

// @ts-check
import { niceScale } from './chart.js'
import { Column } from './column.js'
import { guide } from './guide.js'
import { Notes } from './notes.js'
import { connectByRecipe } from './recipe.js'
import { connectByHeartline } from './reconnecting.js'
import { Room } from './room.js'
import { connectSession, subscribeToReadings } from './session.js'
import { StageClient } from './stage-client.js'
import { PLAIN, SESSION, watchedWebSocket } from './watched-websocket.js'
import { count } from './words.js'

/** @typedef {{ reading?: import('./track.js').Reading, note?: { id: number, text: string } }} Message */

/** In this time the chart moves by about one pixel, and a running figure by one digit. */
const RENDER_MS = 100
const MAX_MARKS = 30

/** @type {{ kind: string, at: number }[]} */
const marks = []
const ordinary = new Column({
  id: 'ordinary',
  title: 'Ordinary WebSocket',
  subtitle: 'The usual recipe: ping, wait, close, connect again.',
  source: 'recipe.js',
  marks,
})
const reconnecting = new Column({
  id: 'reconnecting',
  title: 'ReconnectingWebSocket',
  subtitle: 'heartline here only: soon back, but the hole stays.',
  source: 'reconnecting.js',
  marks,
})
const session = new Column({
  id: 'session',
  title: 'Session',
  subtitle: 'heartline at both ends: soon back, and nothing lost.',
  source: 'session.js',
  keepsReadings: true,
  marks,
})
const columns = [ordinary, reconnecting, session]
byTestId('columns').append(...columns.map(({ element }) => element))
byTestId('summary').append(...columns.map(({ summary }) => summary))

const snapshot = await StageClient.visit().catch((error) => {
  byTestId('guide').textContent = `The demo’s server says: ${error.message}`
  throw error
})
const stage = new StageClient(snapshot, ({ kind, at, pathWorks, pathWorked }) => {
  marks.push({ kind, at })
  if (marks.length > MAX_MARKS) marks.shift()
  for (const { track } of columns) {
    if (kind !== 'heal' && kind !== 'serverBack') track.broke(kind, at, pathWorks)
    else if (pathWorks && !pathWorked) track.healed(kind, at)
  }
})
const notes = new Notes(Object.fromEntries(columns.map(({ id, track }) => [id, track])))

// The names of the columns are those of the server.
const urls = /** @type {{ ordinary: string, reconnecting: string, session: string }} */ (snapshot.urls)
const recipe = connectByRecipe(urls.ordinary, receiver(ordinary), watchedWebSocket(ordinary.track, PLAIN))
const socket = connectByHeartline(
  urls.reconnecting,
  receiver(reconnecting),
  watchedWebSocket(reconnecting.track, PLAIN),
)
socket.addEventListener('statechange', ({ inDoubt, unsent }) => {
  for (const data of [...inDoubt, ...unsent]) notes.handedBack('reconnecting', noteId(data))
})
reconnecting.says = () => socket.state.toUpperCase()

/** What the session told. */
const told = { resumed: 0, resumedAt: 0, replaysLeft: 0, notesAgain: 0, trouble: '' }
const mySession = connectSession(urls.session, snapshot.visitor, watchedWebSocket(session.track, SESSION))
mySession.on('message', ({ data }) => sessionMessage(JSON.parse(/** @type {string} */ (data))))
mySession.on('resumed', ({ sent, received }) => {
  told.resumed++
  told.resumedAt = Date.now()
  told.replaysLeft = received
  told.notesAgain += sent
})
mySession.on('latency', ({ latencyMs }) => session.track.measured(latencyMs, performance.now()))
mySession.on('gap', ({ reason }) => (told.trouble = `The session reports a gap: ${reason}.`))
mySession.on('superseded', () => (told.trouble = 'Another client has taken the session over.'))
mySession.on('error', ({ message }) => (told.trouble = message))
mySession.on('lost', ({ messages }) => {
  for (const { data } of messages) notes.handedBack('session', noteId(data))
})
// What was made before the session was back has waited for it; both clocks are this machine's.
const readings = subscribeToReadings(mySession, (/** @type {import('./track.js').Reading} */ reading) =>
  session.track.read(reading, reading.at < told.resumedAt, performance.now()),
)
readings.on('gap', (/** @type {import('heartline').GapEvent} */ { from, to, reason }) => {
  told.trouble = `The readings report a gap: ${reason}, ${to === undefined ? 'nobody knows how many' : count(to - from + 1, 'reading')}.`
})
const room = new Room(byTestId('room'), mySession, snapshot.name)
session.says = () => mySession.state.toUpperCase()
session.remark = () => told.trouble || whatCameAgain()

const buttons = /** @type {NodeListOf<HTMLButtonElement>} */ (document.querySelectorAll('button[data-action]'))
for (const button of buttons) button.addEventListener('click', () => void act(button))
const input = /** @type {HTMLInputElement} */ (byTestId('message'))
byTestId('composer').addEventListener('submit', (event) => {
  event.preventDefault()
  const isToServer = /** @type {SubmitEvent} */ (event).submitter !== byTestId('send-to-page')
  void send(input.value.trim(), isToServer)
  // What is typed next replaces it.
  if (document.activeElement === input) input.select()
})

setInterval(render, RENDER_MS)
// A page that comes back from the back/forward cache has been dead for longer than anybody pulled a cable.
addEventListener('pageshow', ({ persisted }) => persisted && location.reload())

/** @param {Column} column @returns {(message: Message) => void} */
function receiver({ id, track }) {
  return ({ reading, note }) => {
    if (reading) track.read(reading, false, performance.now())
    if (note) notes.arrivedHere(id, note.id)
  }
}

/** Only what was typed; the readings come by their topic. @param {Message} message */
function sessionMessage({ note }) {
  const isReplay = told.replaysLeft > 0
  if (isReplay) told.replaysLeft--
  if (!note) return
  notes.arrivedHere('session', note.id)
  if (isReplay) told.notesAgain++
}

function whatCameAgain() {
  if (!told.resumed) return ''
  const { replayed } = session.track
  const messages = told.notesAgain ? `, ${count(told.notesAgain, 'message')}` : ''
  return `Resumed ${told.resumed}×, replayed ${count(replayed, 'reading')}${messages}.`
}

/** @param {HTMLButtonElement} button */
async function act(button) {
  document.body.classList.add('begun')
  await stage.act(/** @type {string} */ (button.dataset['action']))
  render()
}

/** Sends what was typed by all columns. @param {string} text @param {boolean} isToServer */
async function send(text, isToServer) {
  if (!text) return
  const note = notes.add(text, isToServer, performance.now())
  const { id } = note
  if (isToServer) {
    const data = JSON.stringify({ note: { id, text } })
    notes.sent(note, 'ordinary', recipe.send(data))
    // What is not sent at once is held.
    if (socket.readyState === WebSocket.OPEN) notes.sent(note, 'reconnecting', true)
    socket.send(data)
    await sendBySession(data)
  } else {
    const connections = await stage.notify({ id, text })
    for (const [column, number] of Object.entries(connections)) notes.sent(note, column, number > 0)
  }
  render()
}

/** How long the server takes to accept it is the session's round trip. @param {string} data */
async function sendBySession(data) {
  const sentAt = performance.now()
  const { connection } = session.track
  try {
    await mySession.send(data)
  } catch {
    // The event `lost` hands it back.
    return
  }
  const now = performance.now()
  if (connection === session.track.connection) session.track.measured(now - sentAt, now)
}

/** @param {unknown} data @returns {number | undefined} nothing if it was for the room */
function noteId(data) {
  return JSON.parse(String(data)).note?.id
}

function render() {
  const now = performance.now()
  const scale = niceScale(columns.map(({ track }) => track))
  notes.arrivedThere(stage.arrivals)
  for (const column of columns) column.render(now, stage, notes, scale)
  const isPressed = { pull: stage.cable === 'out', 'one-way': stage.cable === 'oneWay', 'go-away': !stage.serverIsUp }
  for (const button of buttons) {
    const action = button.dataset['action']
    if (action && action in isPressed)
      button.setAttribute('aria-pressed', String(isPressed[/** @type {'pull'} */ (action)]))
    // Not `disabled`, which would take the focus away from who has just pressed it.
    if (action === 'heal') button.setAttribute('aria-disabled', String(stage.cable === 'in'))
  }
  room.render(now, session.track.trouble !== undefined)
  write('room-count', String(room.here))
  write('guide', guide(stage, { ordinary: ordinary.track, reconnecting: reconnecting.track, session: session.track }))
  write('server-connections', String(stage.connections))
  write('server-ghosts', String(stage.ghosts))
  byTestId('gone').hidden = stage.isReachable
}

/** @param {string} testId @param {string} text */
function write(testId, text) {
  const element = byTestId(testId)
  if (element.textContent !== text) element.textContent = text
}

/** @param {string} testId @returns {HTMLElement} */
function byTestId(testId) {
  return /** @type {HTMLElement} */ (document.querySelector(`[data-testid="${testId}"]`))
}

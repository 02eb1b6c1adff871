// @ts-check
import { niceScale } from './chart.js'
import { Column } from './column.js'
import { guide } from './guide.js'
import { connectByRecipe } from './recipe.js'
import { connectByHeartline } from './reconnecting.js'
import { StageClient } from './stage-client.js'
import { watchedWebSocket } from './watched-websocket.js'

/** In this time the chart moves by about one pixel, and a running figure by one digit. */
const RENDER_MS = 100
const MAX_MARKS = 30

/** @type {{ kind: string, at: number }[]} */
const marks = []
const ordinary = new Column({
  id: 'ordinary',
  title: 'Ordinary WebSocket',
  subtitle: 'The usual recipe: ping, wait, close(), connect again in onclose',
  source: 'recipe.js',
  marks,
})
const reconnecting = new Column({
  id: 'reconnecting',
  title: 'ReconnectingWebSocket',
  subtitle: 'heartline: the same heartbeat, but it does not wait for the dead',
  source: 'reconnecting.js',
  marks,
})
const columns = [ordinary, reconnecting]
byTestId('columns').append(...columns.map(({ element }) => element))

const snapshot = await StageClient.load()
const stage = new StageClient(snapshot, ({ kind, at, pathWorks, pathWorked }) => {
  marks.push({ kind, at })
  if (marks.length > MAX_MARKS) marks.shift()
  for (const { track } of columns) {
    if (kind !== 'heal' && kind !== 'serverBack') track.broke(kind, at, pathWorks)
    else if (pathWorks && !pathWorked) track.healed(kind, at)
  }
})

// The names of the columns are those of the server's proxies.
const urls = /** @type {{ ordinary: string, reconnecting: string }} */ (snapshot.urls)
const ignoreReading = () => {}
connectByRecipe(urls.ordinary, ignoreReading, watchedWebSocket(ordinary.track))
const socket = connectByHeartline(urls.reconnecting, ignoreReading, watchedWebSocket(reconnecting.track))
reconnecting.says = () => socket.state.toUpperCase()

const buttons = /** @type {NodeListOf<HTMLButtonElement>} */ (document.querySelectorAll('button[data-action]'))
for (const button of buttons) button.addEventListener('click', () => void act(button))

setInterval(render, RENDER_MS)
// A page that comes back from the back/forward cache has been dead for longer than anybody pulled a cable.
addEventListener('pageshow', ({ persisted }) => persisted && location.reload())

/** @param {HTMLButtonElement} button */
async function act(button) {
  document.body.classList.add('begun')
  await stage.act(/** @type {string} */ (button.dataset['action']))
  render()
}

function render() {
  const now = performance.now()
  const scaleMs = niceScale(columns.map(({ track }) => track))
  for (const column of columns) column.render(now, stage, scaleMs)
  const isPressed = { pull: stage.cable === 'out', 'one-way': stage.cable === 'oneWay', restart: !stage.serverIsUp }
  for (const button of buttons) {
    const action = button.dataset['action']
    if (action && action in isPressed)
      button.setAttribute('aria-pressed', String(isPressed[/** @type {'pull'} */ (action)]))
    // Not `disabled`, which would take the focus away from who has just pressed it.
    if (action === 'heal') button.setAttribute('aria-disabled', String(stage.cable === 'in'))
  }
  write('guide', guide(stage, { ordinary: ordinary.track, reconnecting: reconnecting.track }))
  write('guard-connections', String(stage.guard.connections))
  write('guard-ghosts', String(stage.guard.ghosts))
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

/** The entry of the page. */
import { options, render } from 'preact'
import './theme.css'
import './base.css'
import './layout.css'
import '../ui/ui.css'
import { startKeys } from '../keys/keys.ts'
import { startLive } from '../live/live.ts'
import { startRouter } from '../router/router.ts'
import { startTheme } from '../state/theme.ts'
import { App } from './app.tsx'

// Draws in a task of its own, and not at the end of the one that has read an answer: neither takes long then.
options.debounceRendering = (draw) => setTimeout(draw)

startTheme()
startRouter()
startLive()
startKeys()
render(<App />, document.getElementById('app') as HTMLElement)

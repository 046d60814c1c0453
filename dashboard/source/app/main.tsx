/** The entry of the page. */
import { render } from 'preact'
import './theme.css'
import './base.css'
import './layout.css'
import '../ui/ui.css'
import { startKeys } from '../keys/keys.ts'
import { startRouter } from '../router/router.ts'
import { App } from './app.tsx'

startRouter()
startKeys()
render(<App />, document.getElementById('app') as HTMLElement)

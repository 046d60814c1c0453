/** The frame around all pages: header, navigation, notices, dialogs. */
import { Confirm } from '../ui/dialog.tsx'
import { Toasts } from '../ui/toast.tsx'
import { Page } from './pages.tsx'

export function App() {
  return (
    <>
      <main id="main" tabIndex={-1}>
        <Page />
      </main>
      <Confirm />
      <Toasts />
    </>
  )
}

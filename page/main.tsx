/** The page: follows the process, and draws what it says at most once in a frame. */

import { render } from 'preact'
import { useEffect, useState } from 'preact/hooks'
import { Inspector } from './inspector.tsx'
import { emptyStore, type Store, storeAfter } from './store.ts'
import { type Connection, follow, type Message, token } from './stream.ts'

function Page() {
  const [store, show] = useState<Store>(emptyStore)
  useEffect(() => {
    let current = emptyStore
    let isDue = false
    const change = (next: Store) => {
      current = next
      if (isDue) return
      isDue = true
      requestAnimationFrame(() => {
        isDue = false
        show(current)
      })
    }
    const take = (message: Message) => change(storeAfter(current, message))
    const say = (connection: Connection) => change({ ...current, connection })
    if (token() === '') say('refused')
    else void follow(take, say)
    // Another token in the address is another process.
    addEventListener('hashchange', () => location.reload())
  }, [])
  return <Inspector store={store} />
}

const root = document.getElementById('page')
if (root) render(<Page />, root)

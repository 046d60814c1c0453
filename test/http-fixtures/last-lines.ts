/** Writes many lines to the log when it stops. */
import { defineService, method } from 'threadplane/service'

export default defineService({
  onThreadStop: () => {
    for (let line = 1; line <= 100; line += 1) console.log(`line ${line}`)
  },
  methods: { echo: method({ handler: (value) => value }) },
})

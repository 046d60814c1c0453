/** Opens a page in the browser of the person who started the command. */
import { spawn } from 'node:child_process'

const COMMANDS: Partial<Record<NodeJS.Platform, string[]>> = {
  darwin: ['open'],
  win32: ['cmd', '/c', 'start', ''],
}

/** @param onError called if there is no browser to open */
export function openBrowser(url: string, onError: (error: Error) => void): void {
  const [program = '', ...args] = COMMANDS[process.platform] ?? ['xdg-open']
  const child = spawn(program, [...args, url], { stdio: 'ignore', detached: true })
  child.on('error', onError).unref()
}

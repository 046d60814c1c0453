/** SIGHUP: the terminal of a process has gone away. */
import { isatty } from 'node:tty'

/**
 * True if SIGHUP should end this process. Without a terminal it was started by `nohup`, or by a supervisor: then nobody
 * sends it because the user has left. Node resets what `nohup` has set, so the descriptors are asked.
 */
export const endsOnHangup = [0, 1, 2].some((descriptor) => isatty(descriptor))

/** The messages that the server process sends to the launcher process above it. */
export type ServerMessage =
  | { type: 'listening'; port: number }
  /** The states of the services, as a short text for people. */
  | { type: 'services'; states: string }
  /** Somebody asked the server to close: however it ends from now on, that is not a crash. */
  | { type: 'closing' }

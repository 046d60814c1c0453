/** What the server tells its supervisor process. */
export type ServerMessage =
  | { type: 'listening'; port: number }
  /** Short text, for a person. */
  | { type: 'services'; states: string }
  /** Somebody asked it to: however it ends now, it is no crash. */
  | { type: 'closing' }

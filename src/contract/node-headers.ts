/** The headers that one node of a cluster sends to another. Only the node listener reads them: see `node-guard.ts`. */

/** The token of the node that the request is sent to. */
export const NODE_TOKEN_HEADER = 'x-threadplane-node'
/** The id of the token that the client has shown to the first node. */
export const CALLER_HEADER = 'x-threadplane-caller'
/** The scopes of that token, separated by blanks. */
export const SCOPES_HEADER = 'x-threadplane-scopes'

/** What one node of a cluster sends to another. Only the node listener takes it: see `node-guard.ts` and `node-app.ts`. */

/** The token of the node that the request is sent to. */
export const NODE_TOKEN_HEADER = 'x-threadplane-node'
/** The id of the token that the client has shown to the first node. */
export const CALLER_HEADER = 'x-threadplane-caller'
/** The scopes of that token, separated by blanks. */
export const SCOPES_HEADER = 'x-threadplane-scopes'
/** Before the path of a stream that a client has begun on the node, and goes on with on another one. */
export const RESUMED_PREFIX = '/resumed'

/** What the settings say of this server as a node of a cluster. */
import { readFile } from 'node:fs/promises'
import { hostname } from 'node:os'
import { newIdentity, type NodeIdentity } from '../cluster/cluster.ts'
import type { Config } from '../config.ts'
import type { TlsFiles } from './options.ts'

/** Each of them is any address of the machine, which nobody can connect to. */
const ANY_ADDRESS: ReadonlySet<string> = new Set(['0.0.0.0', '::', ''])

type NodeSettings = Pick<Config, 'host' | 'nodeName' | 'nodePort' | 'nodeUrl' | 'nodeCert' | 'nodeKey'>

export function identityOf({ host, nodeName, nodePort, nodeUrl, nodeCert }: NodeSettings): NodeIdentity {
  const reached = ANY_ADDRESS.has(host) ? hostname() : host.includes(':') ? `[${host}]` : host
  const scheme = nodeCert === '' ? 'http' : 'https'
  return newIdentity({
    name: nodeName || hostname(),
    url: nodeUrl || `${scheme}://${reached}:${nodePort}`,
    labels: {},
  })
}

/** The certificate of the node listener; `undefined`: plain HTTP. @throws Error that names the setting */
export async function readNodeTls({ nodeCert, nodeKey }: NodeSettings): Promise<TlsFiles | undefined> {
  if (nodeCert === '' && nodeKey === '') return undefined
  if (nodeCert === '' || nodeKey === '') {
    throw new Error('THREADPLANE_NODE_CERT and THREADPLANE_NODE_KEY belong together: set both, or none')
  }
  return {
    cert: await readSetting('THREADPLANE_NODE_CERT', nodeCert),
    key: await readSetting('THREADPLANE_NODE_KEY', nodeKey),
  }
}

async function readSetting(name: string, file: string): Promise<string> {
  return await readFile(file, 'utf8').catch((cause: Error) => {
    throw new Error(`${name} is ${file}, which cannot be read: ${cause.message}`, { cause })
  })
}

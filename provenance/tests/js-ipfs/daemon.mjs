// Starts js-ipfs's daemon in the folder given, offline, on a free port of this machine, and prints its address.
// Ends when standard input ends, so that it never outlives the test that started it.
import { create } from 'ipfs-core'
import { HttpApi } from 'ipfs-http-server'

const repo = process.argv[2]
if (!repo) throw new Error('usage: node daemon.mjs FOLDER')
const ipfs = await create({
  repo,
  silent: true,
  offline: true,
  init: { emptyRepo: true },
  config: {
    Addresses: { Swarm: [], API: '/ip4/127.0.0.1/tcp/0', Gateway: [] },
    Bootstrap: [],
    Discovery: { MDNS: { Enabled: false }, webRTCStar: { Enabled: false } },
    Routing: { Type: 'none' }
  }
})
const api = new HttpApi(ipfs)
await api.start()
const [server] = api._apiServers
console.log(`listening on http://127.0.0.1:${server.info.port}`)
process.stdin.resume()
process.stdin.on('end', async () => {
  await api.stop()
  await ipfs.stop()
  process.exit(0)
})

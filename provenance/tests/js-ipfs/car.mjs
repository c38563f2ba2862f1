// `read FILE` checks every block of a CAR and prints its root and how many blocks it has; `write FILE` writes the CAR of a
// file of 2 MiB and 5 bytes by the profile unixfs-v1-2025 and prints its root.
import { CarReader, CarWriter } from '@ipld/car'
import { importFile } from 'ipfs-unixfs-importer'
import { fixedSize } from 'ipfs-unixfs-importer/chunker'
import { balanced } from 'ipfs-unixfs-importer/layout'
import { sha256 } from 'multiformats/hashes/sha2'
import { readFileSync, writeFileSync } from 'node:fs'

const [what, path] = process.argv.slice(2)
if (what === 'read') {
  const reader = await CarReader.fromBytes(readFileSync(path))
  let count = 0
  for await (const { cid, bytes } of reader.blocks()) {
    const digest = await sha256.digest(bytes)
    if (Buffer.compare(digest.digest, cid.multihash.digest) !== 0) throw new Error(`${cid} has other bytes`)
    count += 1
  }
  const [root] = await reader.getRoots()
  console.log(`${root} ${count}`)
} else {
  const content = Uint8Array.from({ length: 2 * 1048576 + 5 }, (_, i) => (i * 31) % 251)
  const blocks = []
  const keep = { put: async (cid, bytes) => { blocks.push({ cid, bytes }); return cid } }
  const { cid: root } = await importFile({ content }, keep, {
    cidVersion: 1,
    rawLeaves: true,
    reduceSingleLeafToSelf: true,
    chunker: fixedSize({ chunkSize: 1048576 }),
    layout: balanced({ maxChildrenPerNode: 1024 })
  })
  const { writer, out } = CarWriter.create([root])
  const parts = []
  const reading = (async () => { for await (const part of out) parts.push(part) })()
  for (const block of blocks) await writer.put(block)
  await writer.close()
  await reading
  writeFileSync(path, Buffer.concat(parts))
  console.log(root.toString())
}

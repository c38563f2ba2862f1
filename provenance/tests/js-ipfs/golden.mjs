// Writes ../golden/cids.json: the CIDs that ipfs-unixfs-importer gives files of boundary sizes and directories, by the
// profile unixfs-v1-2025 (CIDv1, sha2-256, raw leaves of 1 MiB, 1024 links, balanced). `--check` compares instead.
import { importer, importFile } from 'ipfs-unixfs-importer'
import { fixedSize } from 'ipfs-unixfs-importer/chunker'
import { balanced } from 'ipfs-unixfs-importer/layout'
import { readFileSync, writeFileSync } from 'node:fs'

const MIB = 1 << 20
const options = {
  cidVersion: 1,
  rawLeaves: true,
  reduceSingleLeafToSelf: true,
  chunker: fixedSize({ chunkSize: MIB }),
  layout: balanced({ maxChildrenPerNode: 1024 }),
  wrapWithDirectory: false
}
// Keeps nothing: only the names are wanted.
const nowhere = { put: async (cid) => cid, get: () => { throw new Error('nothing is kept') } }

/** `pattern` numbers bytes by i * 31 mod 251; `zero` is zeros. A generator, since some are a gibibyte. */
function * content (fill, size) {
  for (let at = 0; at < size; at += MIB) {
    const piece = new Uint8Array(Math.min(MIB, size - at))
    if (fill === 'pattern') for (let i = 0; i < piece.length; i++) piece[i] = ((at + i) * 31) % 251
    yield piece
  }
}

const files = []
for (const [fill, sizes] of [
  ['pattern', [0, 1, 5, 255, 256, 262144, MIB - 1, MIB, MIB + 1, 2 * MIB - 1, 2 * MIB, 2 * MIB + 1, 5 * MIB + 17]],
  ['zero', [1, MIB, 2 * MIB, 1024 * MIB, 1024 * MIB + 1]]
]) {
  for (const size of sizes) {
    const { cid } = await importFile({ content: content(fill, size) }, nowhere, options)
    files.push({ fill, size, cid: cid.toString() })
  }
}

const directories = []
for (const entries of [
  [],
  [['one', 5]],
  [['b', 0], ['a', 1], ['c', MIB + 1]],
  [['ab', 5], ['a', 5], ['Z', 2 * MIB], ['é', 7], ['a b', 9]],
  [['deep/er/file', 3], ['deep/other', MIB + 1], ['top', 0]],
  Array.from({ length: 40 }, (_, i) => [`file-${i}`, i * 1000])
]) {
  const source = entries.map(([name, size]) => ({ path: `root/${name}`, content: content('pattern', size) }))
  if (entries.length === 0) source.push({ path: 'root' })
  let root
  for await (const entry of importer(source, nowhere, options)) root = entry.cid
  directories.push({ entries: entries.map(([name, size]) => ({ name, size })), cid: root.toString() })
}

const path = new URL('../golden/cids.json', import.meta.url)
const text = JSON.stringify({ files, directories }, null, 1) + '\n'
if (process.argv.includes('--check')) {
  if (readFileSync(path, 'utf8') !== text) throw new Error('cids.json differs from what the importer gives')
} else {
  writeFileSync(path, text)
}

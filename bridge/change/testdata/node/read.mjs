// Reads the golden sets given as arguments with cbor-x and prints for each what it
// has found, as JSON in which nothing is lost.
import { readFileSync } from 'node:fs'
import { Decoder, Tag } from 'cbor-x'

const decoder = new Decoder({ mapsAsObjects: false, useRecords: false })

function plain(v) {
  switch (typeof v) {
    case 'undefined': return { undefined: true }
    case 'bigint': return { number: v.toString() }
    case 'number': return { number: Object.is(v, -0) ? '-0' : v.toString() }
  }
  if (Array.isArray(v)) return v.map(plain)
  if (v instanceof Map) return { map: [...v].map(([k, e]) => [plain(k), plain(e)]) }
  if (v instanceof Tag) return { tag: v.tag, value: plain(v.value) }
  if (v instanceof Uint8Array) return { bytes: Buffer.from(v).toString('hex') }
  return v
}

for (const file of process.argv.slice(2)) {
  const bytes = Buffer.from(readFileSync(file, 'utf8').replaceAll('\n', ''), 'hex')
  console.log(JSON.stringify(plain(decoder.decode(bytes))))
}

import pg from 'pg'

export const url = process.env.DATABASE_URL

// once runs statements on a connection of their own.
export async function once(...statements) {
  const client = new pg.Client(url)
  await client.connect()
  try {
    for (const text of statements) await client.query(text)
  } finally {
    await client.end()
  }
}

// awaitWaiters resolves when n sessions wait for locks. It rejects when one of
// the promises that are to wait is settled instead.
export async function awaitWaiters(n, ...waiting) {
  const client = new pg.Client(url)
  await client.connect()
  let over = false
  const early = waiting.map(async promise => {
    await promise
    if (!over) throw new Error('settled before it waited for a lock')
  })
  const seen = async () => {
    while (!over) {
      const { rows } = await client.query('select count(*)::int as n from pg_locks where not granted')
      if (rows[0].n === n) return
      await new Promise(resolve => setTimeout(resolve, 5))
    }
  }
  try {
    await Promise.race([seen(), ...early])
  } finally {
    over = true
    await client.end()
  }
}

// collect resolves to the first n values that subscribe's callback gets.
export function collect(n, subscribe) {
  return new Promise((resolve, reject) => {
    const values = []
    subscribe(value => {
      values.push(value)
      if (values.length === n) resolve(values)
    }, reject)
  })
}

export const range = n => Array.from({ length: n }, (_, i) => i)

// node-postgres: Pool, Client with LISTEN, transactions, named statements,
// pg-cursor, pipelining, cancelling, and a pool that loses its sessions.
import assert from 'node:assert/strict'
import test from 'node:test'
import pg from 'pg'
import Cursor from 'pg-cursor'
import { awaitWaiters, collect, once, range, url } from './support.mjs'

const size = 10

async function withPool(f, config = {}) {
  const pool = new pg.Pool({ connectionString: url, max: size, ...config })
  const lost = []
  pool.on('error', err => lost.push(err))
  try {
    await f(pool, lost)
  } finally {
    await pool.end()
  }
}

async function transaction(pool, f) {
  const client = await pool.connect()
  try {
    await client.query('BEGIN')
    const result = await f(client)
    await client.query('COMMIT')
    return result
  } catch (err) {
    await client.query('ROLLBACK')
    throw err
  } finally {
    client.release()
  }
}

test('transactions of a pool', () => withPool(async pool => {
  await once('create table account (id int primary key, balance int)', 'insert into account values (1, 0), (2, 0)')
  const results = await Promise.allSettled(range(100).map(i => transaction(pool, async client => {
    await client.query('update account set balance = balance - $1 where id = 1', [i])
    if (i % 4 === 0) throw new Error('on purpose')
    await client.query('update account set balance = balance + $1 where id = 2', [i])
  })))
  const failed = results.filter(r => r.status === 'rejected')
  assert.deepEqual(new Set(failed.map(r => r.reason.message)), new Set(['on purpose']))
  assert.equal(failed.length, 25)
  const sum = range(100).filter(i => i % 4 !== 0).reduce((a, b) => a + b)
  const { rows } = await pool.query('select balance from account order by id')
  assert.deepEqual(rows, [{ balance: -sum }, { balance: sum }])
  assert.equal(pool.totalCount, size)
}))

test('sessions wait for row locks', () => withPool(async pool => {
  await once('create table counter (n int)', 'insert into counter values (0)')
  const add = client => client.query('update counter set n = n + 1')
  let others
  await transaction(pool, async first => {
    await add(first)
    others = range(size - 1).map(() => transaction(pool, add))
    await awaitWaiters(size - 1, ...others)
  })
  await Promise.all(others)
  assert.deepEqual((await pool.query('select n from counter')).rows, [{ n: size }])
}))

test('named statements', () => withPool(async pool => {
  await Promise.all(range(50).map(async i => {
    const { rows } = await pool.query({ name: 'double', text: 'select $1::int * 2 as n, $2::text as t', values: [i, null] })
    assert.deepEqual(rows, [{ n: 2 * i, t: null }])
  }))
  const client = await pool.connect()
  try {
    await client.query({ name: 'mine', text: 'select 1 as one' })
    await assert.rejects(client.query({ name: 'mine', text: 'select 2 as two' }), /must be unique/)
    await assert.rejects(client.query({ name: 'broken', text: 'selec' }), { code: '42601' })
    const { rows } = await client.query({ name: 'broken', text: 'select 3 as three' })
    assert.deepEqual(rows, [{ three: 3 }])
  } finally {
    client.release()
  }
}))

test('values and types', () => withPool(async pool => {
  const { rows: [row], fields } = await pool.query(
    `select $1::int8 as big, $2::jsonb as doc, $3::text[] as list, $4::bytea as raw, $5::timestamptz as at,
            $6::bool as yes, $7::numeric as num, $8::float8 as real`,
    ['9007199254740993', { a: [1, null] }, ['x', 'y,"z'], Buffer.from([0, 255]), new Date(1e12), true, '1.50', 0.1])
  assert.deepEqual(row, {
    big: '9007199254740993', doc: { a: [1, null] }, list: ['x', 'y,"z'], raw: Buffer.from([0, 255]),
    at: new Date(1e12), yes: true, num: '1.50', real: 0.1
  })
  assert.deepEqual(fields.map(f => f.dataTypeID), [20, 3802, 1009, 17, 1184, 16, 1700, 701])
  const several = await pool.query('select 1 as a; select 2 as b; create table empty ()')
  assert.deepEqual(several.map(r => r.command), ['SELECT', 'SELECT', 'CREATE'])
}))

test('a listening client', () => withPool(async pool => {
  const listener = new pg.Client(url)
  await listener.connect()
  try {
    const heard = collect(40, push => listener.on('notification', push))
    await listener.query('LISTEN work')
    await Promise.all(range(20).map(i => transaction(pool, async client => {
      await client.query('select pg_notify($1, $2)', ['work', `${i} in a transaction`])
      await client.query('select pg_notify($1, $2)', ['other', 'unheard'])
    })))
    await Promise.all(range(20).map(i => pool.query(`notify work, '${i}'`)))
    const payloads = (await heard).map(m => {
      assert.equal(m.channel, 'work')
      assert.ok(m.processId > 0)
      return m.payload
    })
    assert.deepEqual(payloads.sort(), range(20).flatMap(i => [`${i}`, `${i} in a transaction`]).sort())
    await listener.query('UNLISTEN work')
    await pool.query("notify work, 'unheard'")
    // An answer comes after whatever was notified before the question.
    await listener.query('select 1')
  } finally {
    await listener.end()
  }
}))

test('cursors', () => withPool(async pool => {
  const open = await Promise.all(range(size).map(async i => {
    const client = await pool.connect()
    return { i, client, cursor: client.query(new Cursor('select g::int from generate_series($1::int, $2::int) g', [i, i + 249])) }
  }))
  for (let k = 0; k < 3; k++) {
    for (const { i, cursor } of open) {
      const want = range(250).slice(k * 100, (k + 1) * 100).map(n => ({ g: i + n }))
      assert.deepEqual(await cursor.read(100), want)
    }
  }
  for (const { client, cursor } of open) {
    assert.deepEqual(await cursor.read(100), [])
    const unread = client.query(new Cursor('select generate_series(1, 1000000)'))
    assert.equal((await unread.read(1)).length, 1)
    await unread.close()
    assert.deepEqual((await client.query('select 1 as one')).rows, [{ one: 1 }])
    client.release()
  }
}))

test('pipelined queries', async () => {
  const client = new pg.Client({ connectionString: url, pipeline: true })
  await client.connect()
  try {
    const results = await Promise.allSettled(range(50).map(i =>
      client.query('select 100 / $1::int as n', [i % 10])))
    results.forEach((r, i) => {
      if (i % 10 === 0) assert.equal(r.reason?.code, '22012')
      else assert.deepEqual(r.value?.rows, [{ n: Math.trunc(100 / (i % 10)) }])
    })
  } finally {
    await client.end()
  }
})

test('statement_timeout of the start-up packet', () => withPool(async pool => {
  await assert.rejects(pool.query('select pg_sleep(60)'), { code: '57014' })
  assert.deepEqual((await pool.query('show statement_timeout')).rows, [{ statement_timeout: '100ms' }])
}, { statement_timeout: 100, application_name: 'impatient' }))

test('a pool whose sessions are terminated', () => withPool(async (pool, lost) => {
  const clients = await Promise.all(range(size).map(() => pool.connect()))
  const pids = await Promise.all(clients.map(async c => (await c.query('select pg_backend_pid() as pid')).rows[0].pid))
  assert.equal(new Set(pids).size, size)
  clients.forEach(c => c.release())
  const gone = collect(size, push => pool.on('remove', push))
  await once(`select pg_terminate_backend(pid) from unnest('{${pids}}'::int[]) pid`)
  await gone
  assert.deepEqual(new Set(lost.map(err => err.code)), new Set(['57P01']))
  const { rows } = await pool.query('select pg_backend_pid() as pid')
  assert.ok(!pids.includes(rows[0].pid))
}))

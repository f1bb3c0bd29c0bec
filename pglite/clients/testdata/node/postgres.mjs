// postgres (porsager): a pool that pipelines, listen(), sql.begin() with
// savepoints, cursors, large inserts, COPY both ways, cancelling.
import assert from 'node:assert/strict'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import test from 'node:test'
import postgres from 'postgres'
import { awaitWaiters, collect, once, range, url } from './support.mjs'

const size = 10

async function withSql(f, options = {}) {
  const sql = postgres(url, { max: size, onnotice: () => {}, ...options })
  try {
    await f(sql)
  } finally {
    await sql.end()
  }
}

test('many queries at once', () => withSql(async sql => {
  const rows = await Promise.all(range(500).map(i => sql`select ${i}::int as n, ${[i, i + 1]}::int[] as list, ${sql.json({ i })} as doc`))
  rows.forEach(([row], i) => assert.deepEqual({ ...row }, { n: i, list: [i, i + 1], doc: { i } }))
  // Fragments are part of the statement, and each text is prepared once per session.
  const filter = n => n > 2 ? sql`where g > ${n}` : sql``
  for (const n of [1, 3, 1, 3]) {
    const [{ count }] = await sql`select count(*)::int from generate_series(1, 5) g ${filter(n)}`
    assert.equal(count, n > 2 ? 5 - n : 5)
  }
}))

test('errors leave the pipeline whole', () => withSql(async sql => {
  await once('create table part (n int primary key)')
  const results = await Promise.allSettled(range(200).map(i => sql`insert into part values (${i % 100}) returning n`))
  const failed = results.filter(r => r.status === 'rejected').map(r => r.reason)
  assert.equal(failed.length, 100)
  for (const err of failed) {
    assert.equal(err.code, '23505')
    assert.equal(err.constraint_name, 'part_pkey')
  }
  assert.equal((await sql`select * from part`).count, 100)
}))

test('transactions and savepoints', () => withSql(async sql => {
  await once('create table entry (n int, kind text)')
  await Promise.all(range(50).map(i => sql.begin(async tx => {
    await tx`insert into entry values (${i}, 'outer')`
    await assert.rejects(tx.savepoint(async sp => {
      await sp`insert into entry values (${i}, 'undone')`
      await sp`select 1 / 0`
    }), { code: '22012' })
    await tx.savepoint('named', sp => sp`insert into entry values (${i}, 'inner')`)
    // Sent at once, without waiting for the first answer.
    await Promise.all([tx`insert into entry values (${i}, 'first')`, tx`insert into entry values (${i}, 'second')`])
  })))
  await assert.rejects(sql.begin('isolation level serializable read only', tx => tx`insert into entry values (0, 'refused')`), { code: '25006' })
  const kinds = await sql`select kind, count(*)::int from entry group by 1 order by 1`
  assert.deepEqual(kinds.map(r => ({ ...r })), ['first', 'inner', 'outer', 'second'].map(kind => ({ kind, count: 50 })))
}))

test('listen', () => withSql(async sql => {
  const heard = []
  const subscription = await sql.listen('work', payload => heard.push(payload))
  const more = collect(41, push => sql.listen('work', push))
  await sql.listen('barrier', () => {})
  await Promise.all(range(20).map(i => sql.begin(async tx => {
    await tx`select pg_notify('work', ${`${i} in a transaction`})`
    await tx`select pg_notify('other', 'unheard')`
  })))
  await Promise.all(range(20).map(i => sql.notify('work', `${i}`)))
  await sql.notify('work', 'last')
  const want = range(20).flatMap(i => [`${i}`, `${i} in a transaction`]).concat('last').sort()
  assert.deepEqual((await more).sort(), want)
  assert.deepEqual(heard.sort(), want)
  await subscription.unlisten()
}))

test('cursors', () => withSql(async sql => {
  await Promise.all(range(size).map(async i => {
    const batches = []
    for await (const rows of sql`select g::int from generate_series(1, 250) g`.cursor(100)) {
      batches.push(rows.length)
      if (i % 2 === 0 && batches.length === 2) break
    }
    assert.deepEqual(batches, i % 2 === 0 ? [100, 100] : [100, 100, 50])
  }))
  let sum = 0
  await sql`select g::int from generate_series(1, 1000) g`.forEach(row => { sum += row.g })
  assert.equal(sum, 500500)
}))

test('large inserts', () => withSql(async sql => {
  await once('create table big (id int, label text, doc jsonb, list int[])')
  const rows = range(10000).map(id => ({ id, label: `row ${id} ${'x'.repeat(100)}`, doc: { id }, list: [id] }))
  const columns = ['id', 'label', 'doc', 'list']
  // 40,000 parameters in one statement; the protocol's limit is 65,535.
  await Promise.all([
    sql`insert into big ${sql(rows, columns)}`,
    sql`insert into big ${sql(rows.slice(0, 100), columns)}`
  ])
  const [row] = await sql`select count(*)::int, sum(id)::int, sum((doc->>'id')::int)::int as docs, sum(list[1])::int as lists from big`
  const sum = 49995000 + 4950
  assert.deepEqual({ ...row }, { count: 10100, sum, docs: sum, lists: sum })
  const [{ length }] = await sql`select length(${'x'.repeat(5e6)}::text)`
  assert.equal(length, 5e6)
}))

test('COPY', () => withSql(async sql => {
  await once('create table line (n int, body text)')
  const lines = range(5000).map(n => `${n}\tbody ${n}\n`)
  await Promise.all(range(4).map(async () => {
    await pipeline(Readable.from(lines), await sql`copy line from stdin`.writable())
  }))
  let copied = ''
  for await (const chunk of await sql`copy (select * from line order by n) to stdout`.readable()) copied += chunk
  assert.equal(copied, lines.map(line => line.repeat(4)).join(''))
}))

test('cancel', () => withSql(async sql => {
  const holder = await sql.reserve()
  await holder`select pg_advisory_lock(1)`
  const waiting = sql`select pg_advisory_lock(1)`
  const refused = assert.rejects(waiting, { code: '57014' })
  await awaitWaiters(1, refused)
  await waiting.cancel()
  await refused
  await holder`select pg_advisory_unlock(1)`
  holder.release()
  assert.equal((await sql`select 1 as one`)[0].one, 1)
}))

test('sql.unsafe and the simple protocol', () => withSql(async sql => {
  const several = await sql.unsafe('select 1 as a; select 2 as b')
  assert.deepEqual(several.map(r => ({ ...r[0] })), [{ a: 1 }, { b: 2 }])
  await assert.rejects(sql`select 1 as a; select 1 / 0; select 3 as c`.simple(), { code: '22012' })
  const [{ n }] = await sql.unsafe('select $1::int * 2 as n', [21], { prepare: true })
  assert.equal(n, 42)
}))

test('schema changes under prepared statements', () => withSql(async sql => {
  await once('create table item (id int)', 'insert into item values (1)')
  const all = () => Promise.all(range(2 * size).map(() => sql`select * from item`))
  await all()
  await once("alter table item add name text default 'new'")
  // The server refuses the old plan, and the library prepares it anew by itself.
  for (const [row] of await all()) assert.deepEqual({ ...row }, { id: 1, name: 'new' })
}))

// kysely: several migrators at once, which its advisory lock puts in a row, down
// and up again, one that fails, transactions, and a stream over pg-cursor.
import assert from 'node:assert/strict'
import { promises as fs } from 'node:fs'
import path from 'node:path'
import test from 'node:test'
import { FileMigrationProvider, Kysely, Migrator, NO_MIGRATIONS, PostgresDialect, sql } from 'kysely'
import pg from 'pg'
import Cursor from 'pg-cursor'
import { awaitWaiters, range, url } from './support.mjs'

function migrator(db, ...folders) {
  const providers = folders.map(folder => new FileMigrationProvider({ fs, path, migrationFolder: path.resolve('kysely', folder) }))
  const provider = {
    getMigrations: async () => Object.assign({}, ...await Promise.all(providers.map(p => p.getMigrations())))
  }
  return new Migrator({ db, provider })
}

async function withKysely(n, f) {
  const instances = range(n).map(() => new Kysely({
    dialect: new PostgresDialect({ pool: new pg.Pool({ connectionString: url, max: 4 }), cursor: Cursor })
  }))
  try {
    await f(...instances)
  } finally {
    await Promise.all(instances.map(db => db.destroy()))
  }
}

// ran are the migrations of a result, which must have succeeded.
function ran({ error, results }) {
  assert.equal(error, undefined)
  for (const r of results) assert.equal(r.status, 'Success')
  return results.map(r => `${r.migrationName} ${r.direction}`)
}

test('several migrators at once', () => withKysely(4, async (...dbs) => {
  const holder = new pg.Client(url)
  await holder.connect()
  await holder.query('select pg_advisory_lock(7)')
  const migrations = dbs.map(db => migrator(db, 'migrations').migrateToLatest())
  await awaitWaiters(dbs.length, ...migrations)
  await holder.end()
  const results = (await Promise.all(migrations)).map(ran)
  assert.deepEqual(results.filter(r => r.length > 0), [['001_people Up', '002_pets Up']])
  const names = (await migrator(dbs[0], 'migrations').getMigrations()).map(m => m.executedAt instanceof Date)
  assert.deepEqual(names, [true, true])
}))

test('a migration that fails leaves nothing', () => withKysely(1, async db => {
  const { error, results } = await migrator(db, 'migrations', 'broken').migrateToLatest()
  assert.equal(error?.code, '22012')
  assert.deepEqual(results.map(r => r.status), ['Error'])
  const tables = (await db.introspection.getTables()).map(t => t.name)
  assert.deepEqual(tables, ['person', 'pet'])
}))

test('transactions', () => withKysely(1, async db => {
  await Promise.all(range(20).map(i => db.transaction().setIsolationLevel('repeatable read').execute(async trx => {
    const person = await trx.insertInto('person').values({ name: `person ${i}`, profile: JSON.stringify({ i }) })
      .returning(['id', 'created_at']).executeTakeFirstOrThrow()
    assert.ok(person.created_at instanceof Date)
    await trx.insertInto('pet').values({ name: `pet ${i}`, owner_id: person.id, species: i % 2 ? 'cat' : 'dog' }).execute()
  })))
  await assert.rejects(db.transaction().execute(async trx => {
    await trx.deleteFrom('person').execute()
    await trx.insertInto('pet').values({ name: '', owner_id: 1, species: 'cat' }).execute()
  }), { code: '23514', constraint: 'named' })
  const rows = await db.selectFrom('pet').innerJoin('person', 'person.id', 'pet.owner_id')
    .select(['species', eb => eb.fn.countAll().as('pets')]).where('person.name', 'like', 'person%').groupBy('species').orderBy('species').execute()
  assert.deepEqual(rows, [{ species: 'cat', pets: '10' }, { species: 'dog', pets: '10' }])
}))

test('controlled transactions with savepoints', () => withKysely(1, async db => {
  const trx = await db.startTransaction().execute()
  const inner = await trx.savepoint('before').execute()
  await inner.deleteFrom('pet').execute()
  await inner.rollbackToSavepoint('before').execute()
  await trx.commit().execute()
  const { pets } = await db.selectFrom('pet').select(eb => eb.fn.countAll().as('pets')).executeTakeFirstOrThrow()
  assert.equal(pets, '20')
}))

test('streams', () => withKysely(1, async db => {
  const streams = range(4).map(async () => {
    let sum = 0
    for await (const row of db.selectFrom(sql`generate_series(1, 1000)`.as('g')).select(sql`g::int`.as('n')).stream(64)) sum += row.n
    return sum
  })
  assert.deepEqual(await Promise.all(streams), range(4).map(() => 500500))
}))

test('down and up again', () => withKysely(1, async db => {
  const m = migrator(db, 'migrations')
  assert.deepEqual(ran(await m.migrateDown()), ['002_pets Down'])
  assert.deepEqual(ran(await m.migrateUp()), ['002_pets Up'])
  assert.deepEqual(ran(await m.migrateTo(NO_MIGRATIONS)), ['002_pets Down', '001_people Down'])
  assert.deepEqual(await db.introspection.getTables(), [])
}))

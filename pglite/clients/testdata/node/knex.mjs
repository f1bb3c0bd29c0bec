// knex: migrations up and down, two migrators at once, with and without a
// transaction around all, one that fails, and seeds.
import assert from 'node:assert/strict'
import test from 'node:test'
import knexFactory from 'knex'
import pg from 'pg'
import { awaitWaiters, range, url } from './support.mjs'

const transactional = ['knex/migrations']
const all = [...transactional, 'knex/concurrently']
const loadExtensions = ['.mjs']
const quiet = { warn() {}, error() {}, deprecate() {}, debug() {} }

async function withKnex(n, f) {
  const instances = range(n).map(() => knexFactory({
    client: 'pg', connection: url, pool: { min: 0, max: 4 }, log: quiet,
    migrations: { loadExtensions }, seeds: { loadExtensions, directory: 'knex/seeds' }
  }))
  try {
    await f(...instances)
  } finally {
    await Promise.all(instances.map(k => k.destroy()))
  }
}

// holding keeps the lock that migrations wait for until f has resolved.
async function holding(f) {
  const client = new pg.Client(url)
  await client.connect()
  try {
    await client.query('select pg_advisory_lock(7)')
    await f()
  } finally {
    await client.end()
  }
}

test('one migrator waits for the other in a transaction', () => withKnex(2, async (first, second) => {
  await first.migrate.list({ directory: transactional }) // creates knex's own tables
  let migrations
  await holding(async () => {
    migrations = [first.migrate.latest({ directory: transactional })]
    await awaitWaiters(1, ...migrations)
    migrations.push(second.migrate.latest({ directory: transactional }))
    await awaitWaiters(2, ...migrations)
  })
  const [done, nothing] = await Promise.all(migrations)
  assert.deepEqual(done, [1, ['001_people.mjs', '002_pets.mjs']])
  assert.deepEqual(nothing[1], [])
  assert.equal(await second.migrate.currentVersion({ directory: transactional }), '002')
  assert.ok(await second.schema.hasColumn('person', 'temper'))
}))

test('without a transaction the lock table turns others away', () => withKnex(2, async (first, second) => {
  let migration
  await holding(async () => {
    migration = first.migrate.latest({ directory: all })
    await awaitWaiters(1, migration)
    await assert.rejects(second.migrate.latest({ directory: all }), { name: 'MigrationLocked', message: /already locked/ })
    await assert.rejects(second.migrate.rollback({ directory: all }), { name: 'MigrationLocked' })
  })
  assert.deepEqual(await migration, [2, ['003_index.mjs']])
  const { rows } = await second.raw("select indisvalid from pg_index where indexrelid = 'person_profile'::regclass")
  assert.deepEqual(rows, [{ indisvalid: true }])
}))

test('a migration that fails leaves nothing', () => withKnex(1, async knex => {
  const directory = [...all, 'knex/broken']
  await assert.rejects(knex.migrate.latest({ directory }), { code: '22012' })
  assert.equal(await knex.schema.hasTable('half'), false)
  const [, pending] = await knex.migrate.list({ directory })
  assert.deepEqual(pending.map(m => m.file), ['004_broken.mjs'])
  assert.deepEqual(await knex('knex_migrations_lock').select('is_locked'), [{ is_locked: 0 }])
}))

test('seeds', () => withKnex(1, async knex => {
  await knex.seed.run()
  await knex.seed.run()
  const rows = await knex('pet').join('person', 'person.id', 'pet.owner').orderBy('weight')
    .select('email', 'temper', 'weight', 'tags', knex.raw("profile->>'born' as born"))
  assert.deepEqual(rows, ['1.50', '2.25'].map(weight =>
    ({ email: 'ada@example.org', temper: 'good', weight, tags: ['seeded'], born: '1815' })))
}))

test('transactions of the query builder', () => withKnex(1, async knex => {
  await Promise.all(range(20).map(i => knex.transaction(async trx => {
    await trx('person').insert({ email: `${i}@example.org` })
    await assert.rejects(trx.transaction(async inner => {
      await inner('person').insert({ email: `${i}@example.org` })
    }), { code: '23505' })
    await trx('person').where({ email: `${i}@example.org` }).update({ profile: JSON.stringify({ i }) })
  })))
  const [{ count }] = await knex('person').whereRaw("profile \\? 'i'").count()
  assert.equal(count, '20')
}))

test('down and up again', () => withKnex(1, async knex => {
  assert.deepEqual(await knex.migrate.rollback({ directory: all }), [2, ['003_index.mjs']])
  assert.deepEqual(await knex.migrate.down({ directory: all }), [1, ['002_pets.mjs']])
  assert.equal(await knex.schema.hasTable('pet'), false)
  assert.deepEqual((await knex.migrate.up({ directory: all }))[1], ['002_pets.mjs'])
  await knex.migrate.rollback({ directory: all }, true)
  const { rows } = await knex.raw("select relname from pg_class where relnamespace = 'public'::regnamespace and relkind = 'r' order by 1")
  assert.deepEqual(rows.map(r => r.relname), ['knex_migrations', 'knex_migrations_lock'])
}))

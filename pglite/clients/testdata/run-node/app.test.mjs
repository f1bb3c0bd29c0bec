// howdah run --template schema.sql -- node --test
import assert from 'node:assert/strict'
import { after, afterEach, beforeEach, test } from 'node:test'
import pg from 'pg'

const db = new pg.Client({ connectionString: process.env.DATABASE_URL })
await db.connect()
after(() => db.end())
beforeEach(() => db.query('begin'))
afterEach(() => db.query('rollback'))

const seats = async () => Number((await db.query('select sum(seats) from elephants')).rows[0].sum)

test('more seats', async () => {
  await db.query('insert into elephants values ($1, $2)', ['Hathi', 4])
  assert.equal(await seats(), 12)
})

test('as before', async () => assert.equal(await seats(), Number(process.env.SEATS ?? 8)))

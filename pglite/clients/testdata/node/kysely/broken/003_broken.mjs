import { sql } from 'kysely'

export async function up(db) {
  await db.schema.createTable('half').addColumn('id', 'integer').execute()
  await sql`select 1 / 0`.execute(db)
}

import { sql } from 'kysely'

export async function up(db) {
  await db.schema.createType('species').asEnum(['cat', 'dog']).execute()
  await db.schema.createTable('person')
    .addColumn('id', 'integer', col => col.primaryKey().generatedAlwaysAsIdentity())
    .addColumn('name', 'varchar(80)', col => col.notNull())
    .addColumn('profile', 'jsonb', col => col.notNull().defaultTo(sql`'{}'::jsonb`))
    .addColumn('created_at', 'timestamptz', col => col.notNull().defaultTo(sql`now()`))
    .execute()
}

export async function down(db) {
  await db.schema.dropTable('person').execute()
  await db.schema.dropType('species').execute()
}

import { sql } from 'kysely'

export async function up(db) {
  await db.schema.createTable('pet')
    .addColumn('id', 'bigserial', col => col.primaryKey())
    .addColumn('name', 'text', col => col.notNull().unique())
    .addColumn('owner_id', 'integer', col => col.references('person.id').onDelete('cascade').notNull())
    .addColumn('species', sql`species`)
    .addCheckConstraint('named', sql`name <> ''`)
    .execute()
  // The test holds this lock while others try to migrate.
  await sql`select pg_advisory_xact_lock(7)`.execute(db)
  await db.schema.createIndex('pet_owner').on('pet').column('owner_id').execute()
}

export async function down(db) {
  await db.schema.dropTable('pet').execute()
}

export async function up(knex) {
  await knex.schema.createTable('pet', table => {
    table.uuid('id').primary().defaultTo(knex.fn.uuid())
    table.integer('owner').references('person.id').onDelete('cascade').index()
    table.decimal('weight', 8, 2).checkPositive()
    table.specificType('tags', 'text[]')
  })
  // The test holds this lock while others try to migrate.
  await knex.raw('select pg_advisory_xact_lock(7)')
  await knex.schema.alterTable('person', table => {
    table.renameColumn('mood', 'temper')
    table.text('email').alter()
  })
}

export async function down(knex) {
  await knex.schema.alterTable('person', table => table.renameColumn('temper', 'mood'))
  await knex.schema.dropTable('pet')
}

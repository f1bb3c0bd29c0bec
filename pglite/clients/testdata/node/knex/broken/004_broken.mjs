export async function up(knex) {
  await knex.schema.createTable('half', table => table.increments())
  await knex.raw('select 1 / 0')
}

export async function down() {}

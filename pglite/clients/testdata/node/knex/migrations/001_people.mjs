export async function up(knex) {
  await knex.schema.createTable('person', table => {
    table.increments()
    table.string('email').notNullable().unique()
    table.enu('mood', ['good', 'bad'], { useNative: true, enumName: 'mood' })
    table.jsonb('profile').defaultTo('{}')
    table.timestamps(true, true)
    table.comment('who has pets')
  })
}

export async function down(knex) {
  await knex.schema.dropTable('person')
  await knex.raw('drop type mood')
}

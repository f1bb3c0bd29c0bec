export const config = { transaction: false }

export async function up(knex) {
  await knex.transaction(trx => trx.raw('select pg_advisory_xact_lock(7)'))
  await knex.raw('create index concurrently person_profile on person using gin (profile)')
}

export async function down(knex) {
  await knex.raw('drop index concurrently person_profile')
}

export async function seed(knex) {
  await knex('person').del()
  const [owner] = await knex('person').insert({ email: 'ada@example.org', temper: 'good', profile: { born: 1815 } }).returning('id')
  await knex('pet').insert([1.5, 2.25].map(weight => ({ owner: owner.id, weight, tags: ['seeded'] })))
}

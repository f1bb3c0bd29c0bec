package clients_test

import "fmt"

// talkSandbox is a test of an application under Ecto.Adapters.SQL.Sandbox
// (lib/ecto/adapters/sql/sandbox.ex at ef00aa9): one transaction around it, a
// savepoint around each query, so that an error does not end the transaction,
// and ROLLBACK behind it.
func talkSandbox(c *conversation) {
	c.connect("migrations").schema()
	talkTemplated(c)
}

// talkTemplated is that of one whose tables are there already.
func talkTemplated(c *conversation) {
	repo, outside := c.connect("repo"), c.connect("outside")
	for range 2 {
		repo.checkout()
		repo.insertUser("ada@example.org", 36)
		repo.fails(repo.insertUser("ada@example.org", 36), "23505", 'T')
		repo.fails(repo.query("SELEC 1"), "42601", 'T')
		repo.fails(repo.execute("ecto_2", "SELECT 1 / $1::int", 0), "22012", 'T')
		repo.fails(repo.execute("ecto_2", "SELECT 1 / $1::int", 0), "22012", 'T') // prepared by now
		repo.gives(repo.execute("ecto_1", countUsers), 1)

		// The application's own transaction: a savepoint, and none around its queries.
		repo.begin()
		repo.savepoint = false
		repo.insertUser("grace@example.org", 40)
		repo.fails(repo.insertUser("grace@example.org", 40), "23505", 'E')
		repo.savepoint = true
		repo.rollback()
		repo.gives(repo.execute("ecto_1", countUsers), 1)
		repo.begin()
		repo.savepoint = false
		repo.insertUser("grace@example.org", 40)
		repo.savepoint = true
		repo.commit()
		repo.gives(repo.execute("ecto_1", countUsers), 2)

		stream := repo.declare("S", `SELECT u0."email" FROM "users" AS u0`)
		stream.fetch(1)
		stream.fetch(500)
		stream.deallocate()
		repo.succeeds(repo.declare("C", `COPY "users" ("email", "inserted_at") FROM STDIN`).copyIn("copied@example.org\t2026-01-01\n"), "COPY 1")
		repo.succeeds(repo.query("SET CONSTRAINTS ALL IMMEDIATE"), "SET CONSTRAINTS")
		repo.gives(repo.execute("ecto_1", countUsers), 3)
		outside.gives(outside.execute("ecto_1", countUsers), 0)
		repo.checkin()
		outside.gives(outside.execute("ecto_1", countUsers), 0)
	}
}

// checkout and checkin put a connection into the sandbox and take it out.
func (p *postgrex) checkout() { p.c.t.Helper(); p.transaction("BEGIN"); p.savepoint = true }
func (p *postgrex) checkin()  { p.c.t.Helper(); p.savepoint = false; p.transaction("ROLLBACK") }

// talkSandboxes are tests that run at the same time, each in its own sandbox.
// Two of them insert the same e-mail: the second waits for the first to end.
func talkSandboxes(c *conversation) {
	c.connect("outside").schema()
	var repos []*postgrex
	for n := range 8 {
		repo := c.connect(fmt.Sprintf("repo %d", n))
		repo.checkout()
		repos = append(repos, repo)
	}
	for round := range 3 {
		for n, repo := range repos {
			repo.insertUser(fmt.Sprintf("%d-%d@example.org", round, n), 20+n)
			repo.gives(repo.execute("ecto_1", countUsers), int64(round+1))
		}
	}
	first, second := repos[0], repos[1]
	first.insertUser("ada@example.org", 36)
	waiting := second.start("ecto_insert_users_0", insertUser, "ada@example.org", 36, noon)
	c.db.awaitWaiters(c.t, 1)
	first.checkin()
	second.succeeds(waiting(), "INSERT 0 1")
	second.gives(second.execute("ecto_1", countUsers), 4)
	for _, repo := range repos[1:] {
		repo.checkin()
	}
}

// talkMigrations is mix ecto.migrate on two nodes at once, with Ecto's default
// lock (Ecto.Adapters.Postgres, do_lock_for_migrations): of each node's two
// connections one holds a lock on the table of versions, while the other runs
// the migrations, each in its transaction.
func talkMigrations(c *conversation) {
	one := node{c.connect("node 1 lock"), c.connect("node 1")}
	two := node{c.connect("node 2 lock"), c.connect("node 2")}
	one.createVersions()
	two.createVersions() // a notice
	one.lock.begin()
	one.lock.succeeds(one.lock.query(lockVersions), "LOCK TABLE")
	two.lock.begin()
	waiting := two.lock.start("", lockVersions)
	c.db.awaitWaiters(c.t, 1)
	one.lock.succeeds(one.versions(), "SELECT 0")
	one.migrate(20260301120000, createUsers, createIndex)
	one.migrate(20260301130000, `ALTER TABLE "users" ADD COLUMN "name" varchar(255) DEFAULT '' NOT NULL`)
	one.lock.commit()

	two.lock.succeeds(waiting(), "LOCK TABLE")
	two.lock.succeeds(two.versions(), "SELECT 2")
	two.lock.commit()

	// A migration that fails takes its changes back; the lock outlives it.
	two.lock.begin()
	two.lock.succeeds(two.lock.query(lockVersions), "LOCK TABLE")
	two.run.begin()
	two.run.succeeds(two.run.query(`CREATE TABLE "half" ("id" bigserial, PRIMARY KEY ("id"))`), "CREATE TABLE")
	two.run.fails(two.run.query(`ALTER TABLE "users" ADD COLUMN "name" text`), "42701", 'E')
	two.run.rollback()
	two.lock.rollback()
	two.run.fails(two.run.query(`SELECT FROM "half"`), "42P01", 'I')

	// And down.
	one.lock.begin()
	one.lock.succeeds(one.lock.query(lockVersions), "LOCK TABLE")
	one.lock.succeeds(one.versions(), "SELECT 2")
	one.run.begin()
	one.run.succeeds(one.run.query(`ALTER TABLE "users" DROP COLUMN "name"`), "ALTER TABLE")
	one.run.succeeds(one.run.execute("ecto_9", `DELETE FROM "schema_migrations" AS s0 WHERE (s0."version" = $1::bigint)`, int64(20260301130000)), "DELETE 1")
	one.run.commit()
	one.lock.commit()
	two.lock.succeeds(two.versions(), "SELECT 1")
}

// talkAdvisoryMigrations is the same with migration_lock: :pg_advisory_lock,
// under which an index can be built concurrently. A node that does not get the
// lock asks again.
func talkAdvisoryMigrations(c *conversation) {
	one := node{c.connect("node 1 lock"), c.connect("node 1")}
	two := node{c.connect("node 2 lock"), c.connect("node 2")}
	writer := c.connect("writer")
	one.createVersions()
	try, unlock := "SELECT pg_try_advisory_lock(129653361)", "SELECT pg_advisory_unlock(129653361)"
	one.lock.isTrue(one.lock.query(try), true)
	two.lock.isTrue(two.lock.query(try), false)
	one.lock.succeeds(one.versions(), "SELECT 0")
	one.migrate(20260301120000, createUsers)
	for n := range 20 {
		writer.insertUser(fmt.Sprintf("%d@example.org", n), 20+n)
	}
	// disable_ddl_transaction: the index waits for the writer's transaction.
	writer.begin()
	writer.insertUser("late@example.org", 60)
	waiting := one.run.start("", `CREATE UNIQUE INDEX CONCURRENTLY "users_email_index" ON "users" ("email")`)
	c.db.awaitWaiters(c.t, 1)
	two.lock.isTrue(two.lock.query(try), false)
	writer.insertUser("later@example.org", 61)
	writer.commit()
	one.run.succeeds(waiting(), "CREATE INDEX")
	one.run.insertVersion(20260301130000)
	writer.fails(writer.insertUser("late@example.org", 60), "23505", 'I')
	one.lock.isTrue(one.lock.query(unlock), true)
	two.lock.isTrue(two.lock.query(try), true)
	two.lock.succeeds(two.versions(), "SELECT 2")
	two.lock.isTrue(two.lock.query(unlock), true)
	two.lock.isTrue(two.lock.query(unlock), false) // a warning
}

const lockVersions = `LOCK TABLE "schema_migrations" IN SHARE UPDATE EXCLUSIVE MODE`

// A node has a pool of two connections, as Ecto's migrator wants at least.
type node struct{ lock, run *postgrex }

func (n node) createVersions() {
	n.lock.c.t.Helper()
	n.lock.succeeds(n.lock.query(`CREATE TABLE IF NOT EXISTS "schema_migrations" ("version" bigint, "inserted_at" timestamp(0), PRIMARY KEY ("version"))`), "CREATE TABLE")
}

func (n node) versions() result {
	n.lock.c.t.Helper()
	return n.lock.execute("ecto_3", `SELECT s0."version"::bigint FROM "schema_migrations" AS s0`)
}

func (n node) migrate(version int64, ddl ...string) {
	n.run.c.t.Helper()
	n.run.begin()
	for _, sql := range ddl {
		if r := n.run.query(sql); r.err != nil {
			n.run.c.t.Fatalf("%s: %s %s", sql, r.err.Code, r.err.Message)
		}
	}
	n.run.insertVersion(version)
	n.run.commit()
}

func (p *postgrex) insertVersion(version int64) {
	p.c.t.Helper()
	p.succeeds(p.execute("ecto_insert_schema_migrations_0", `INSERT INTO "schema_migrations" ("version","inserted_at") VALUES ($1,$2)`, version, noon), "INSERT 0 1")
}

func (p *postgrex) isTrue(r result, want bool) {
	p.c.t.Helper()
	var got bool
	if err := r.scan(0, &got); err != nil || got != want {
		p.c.t.Fatalf("%s: %v, %v; want %v", p.name, got, err, want)
	}
}

// talkNotifications is Postgrex.Notifications, which has not asked for types,
// beside connections that notify. Since version 0.16 it listens by simple
// queries, and after a reconnection to all channels at once.
func talkNotifications(c *conversation) {
	listener, old, repo := c.login(c.db.name, "listener"), c.login(c.db.name, "old listener"), c.connect("repo")
	listener.transaction(`LISTEN "fooBar"`)
	old.listen(`LISTEN "fooBar"`)
	old.listen(`LISTEN "other"`)
	repo.succeeds(repo.query("SELECT pg_notify($1, $2)", "fooBar", "first"), "SELECT 1")
	repo.succeeds(repo.query(`NOTIFY "other"`), "NOTIFY")
	repo.begin()
	repo.succeeds(repo.query(`NOTIFY "fooBar", 'second'`), "NOTIFY")
	repo.succeeds(repo.query(`NOTIFY "fooBar", 'second'`), "NOTIFY") // once in a transaction
	repo.commit()
	repo.begin()
	repo.succeeds(repo.query(`NOTIFY "fooBar", 'lost'`), "NOTIFY")
	repo.rollback()
	if heard := listener.hear(2); heard != "first second" {
		c.t.Errorf("heard %q", heard)
	}
	if heard := old.hear(3); heard != "first  second" {
		c.t.Errorf("heard %q", heard)
	}
	old.listen(`UNLISTEN "fooBar"`)
	listener.ping()

	// A busy listener hears what was notified before its own answer's end.
	listener.transaction(`BEGIN`)
	repo.succeeds(repo.query(`NOTIFY "fooBar", 'third'`), "NOTIFY")
	listener.transaction(`COMMIT`)
	again := c.login(c.db.name, "listener again")
	again.transaction(`DO $$BEGIN LISTEN "fooBar";` + "\n" + `LISTEN "more"; END$$`)
	again.transaction(`NOTIFY "more", 'to myself'`)
	repo.succeeds(repo.query("SELECT pg_notify('fooBar', repeat('x', 7999))"), "SELECT 1")
	repo.fails(repo.query("SELECT pg_notify('fooBar', repeat('x', 8000))"), "22023", 'I')
	if heard := again.hear(1); len(heard) != 7999 {
		c.t.Errorf("heard %d bytes", len(heard))
	}
	old.ping()
}

// talkTimeout is a query that takes longer than its timeout: the pool closes the
// socket under it and cancels the backend, whose locks are then free.
func talkTimeout(c *conversation) {
	repo, other := c.connect("repo"), c.connect("other")
	other.schema()
	repo.begin()
	repo.insertUser("ada@example.org", 36)
	other.succeeds(other.query("SELECT pg_advisory_lock(1)"), "SELECT 1")
	repo.start("", "SELECT pg_advisory_lock(1)")
	c.db.awaitWaiters(c.t, 1)
	repo.disconnect()
	c.db.awaitWaiters(c.t, 0)
	// The e-mail is free again.
	other.insertUser("ada@example.org", 36)
	other.gives(other.execute("ecto_1", countUsers), 1)

	// A cancel request for a connection that has just ended does nothing to others.
	replaced := c.connect("repo again")
	replaced.gives(replaced.execute("ecto_1", countUsers), 1)

	// One that arrives while the connection is idle is forgotten.
	replaced.cancel()
	replaced.gives(replaced.execute("ecto_1", countUsers), 1)
}

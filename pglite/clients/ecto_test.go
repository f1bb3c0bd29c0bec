package clients_test

import (
	"math/big"
	"slices"
	"time"

	"github.com/jackc/pgx/v5/pgtype"
)

// postgrexTests play what Ecto sends through Postgrex. The SQL has the form that
// Ecto.Adapters.Postgres.Connection (github.com/elixir-ecto/ecto_sql at 1fe785c)
// gives it, and the names of statements are Ecto's: ecto_ and a number for
// queries, ecto_insert_ and the table for inserts.
func postgrexTests() []test {
	return conversations([]talk{
		{"connect", talkConnect, 1},
		{"named statements", talkNamed, 1},
		{"unnamed statements", talkUnnamed, 1},
		{"errors", talkErrors, 1},
		{"schema change", talkSchemaChange, 1},
		{"user-defined types", talkTypes, 1},
		{"transactions", talkTransactions, 0},
		{"streams", talkStreams, 1},
		{"COPY", talkCopy, 1},
		{"storage", talkStorage, 1},
		{"notifications", talkNotifications, 0},
		{"timeout", talkTimeout, 0},
		{"sandbox", talkSandbox, 0},
		{"sandboxes at once", talkSandboxes, 0},
		{"migrations", talkMigrations, 0},
		{"migrations under an advisory lock", talkAdvisoryMigrations, 0},
	})
}

// The table that most conversations are about.
const (
	createUsers = `CREATE TABLE "users" ("id" bigserial, "email" varchar(255) NOT NULL, "age" integer CONSTRAINT "adult" CHECK (age >= 18), ` +
		`"inserted_at" timestamp(0) NOT NULL, PRIMARY KEY ("id"))`
	createIndex = `CREATE UNIQUE INDEX "users_email_index" ON "users" ("email")`
	insertUser  = `INSERT INTO "users" ("email","age","inserted_at") VALUES ($1,$2,$3) RETURNING "id"`
	selectUser  = `SELECT u0."id", u0."email", u0."age", u0."inserted_at" FROM "users" AS u0 WHERE (u0."id" = $1)`
	countUsers  = `SELECT count(*) FROM "users" AS u0`
)

var noon = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// schema makes the users' table with statements as a migration sends them.
func (p *postgrex) schema() {
	p.c.t.Helper()
	p.succeeds(p.query(createUsers), "CREATE TABLE")
	p.succeeds(p.query(createIndex), "CREATE INDEX")
}

func (p *postgrex) insertUser(email string, age int) result {
	p.c.t.Helper()
	return p.execute("ecto_insert_users_0", insertUser, email, age, noon)
}

// succeeds checks a result's command tag.
func (p *postgrex) succeeds(r result, tag string) {
	p.c.t.Helper()
	if r.err != nil || r.tag != tag {
		p.c.t.Fatalf("%s: %q, %v; want %s", p.name, r.tag, r.err, tag)
	}
}

// fails checks a result's SQLSTATE and which status the connection has then.
func (p *postgrex) fails(r result, state string, status byte) {
	p.c.t.Helper()
	if r.state() != state || p.status != status {
		p.c.t.Fatalf("%s: %q, %v, status %c; want %s and %c", p.name, r.tag, r.err, p.status, state, status)
	}
}

// gives checks a result's only value.
func (p *postgrex) gives(r result, want int64) {
	p.c.t.Helper()
	var got int64
	if err := r.scan(0, &got); err != nil || got != want {
		p.c.t.Fatalf("%s: %d, %v; want %d", p.name, got, err, want)
	}
}

func talkConnect(c *conversation) {
	first := c.connect("first", "application_name", "MyApp.Repo", "TimeZone", "Europe/Vienna")
	first.ping()
	var name, zone string
	if err := first.query("SELECT current_setting('application_name'), current_setting('TimeZone')").scan(0, &name, &zone); err != nil ||
		name != "MyApp.Repo" || zone != "Europe/Vienna" {
		c.t.Errorf("start-up parameters: %q, %q, %v", name, zone, err)
	}
	// A pool opens its connections one after the other; they share the types.
	for _, name := range []string{"second", "third", "fourth"} {
		p := c.connect(name)
		p.gives(p.execute("ecto_1", "SELECT 1::bigint"), 1)
		p.ping()
	}
	first.succeeds(first.query("SET search_path TO public, pg_catalog"), "SET")
	first.succeeds(first.query("-- nothing"), "")
}

func talkNamed(c *conversation) {
	repo, other := c.connect("repo"), c.connect("other")
	repo.schema()
	repo.gives(repo.insertUser("ada@example.org", 36), 1)
	repo.gives(repo.insertUser("grace@example.org", 40), 2)
	// Another connection uses the same names for the same and for other statements.
	other.gives(other.insertUser("edsger@example.org", 50), 3)
	other.gives(other.execute("ecto_1", countUsers), 3)
	for range 8 { // beyond five, Postgres considers a generic plan
		var (
			id, age int64
			email   string
			at      time.Time
		)
		if err := repo.execute("ecto_1", selectUser, 2).scan(0, &id, &email, &age, &at); err != nil ||
			id != 2 || email != "grace@example.org" || age != 40 || !at.Equal(noon) {
			c.t.Fatalf("user 2: %d, %q, %d, %v, %v", id, email, age, at, err)
		}
	}
	r := repo.execute("ecto_2", `SELECT u0."email" FROM "users" AS u0 WHERE (u0."id" = ANY($1)) ORDER BY u0."id" DESC LIMIT $2 OFFSET $3`, []int64{1, 2, 3, 99}, 2, 0)
	if r.err != nil || len(r.rows) != 2 || string(r.rows[0][0]) != "edsger@example.org" {
		c.t.Fatalf("users by ids: %+v", r)
	}
	upsert := `INSERT INTO "users" AS u0 ("email","age","inserted_at") VALUES ($1,$2,$3),($4,$5,$6) ` +
		`ON CONFLICT ("email") DO UPDATE SET "age" = EXCLUDED."age" RETURNING "id","age"`
	repo.succeeds(repo.execute("ecto_insert_all_users", upsert, "ada@example.org", 37, noon, "alan@example.org", 41, noon), "INSERT 0 2")
	repo.succeeds(repo.execute("ecto_3", `UPDATE "users" AS u0 SET "age" = u0."age" + $1 WHERE (u0."age" < $2)`, 1, 41), "UPDATE 2")
	repo.succeeds(repo.execute("ecto_4", `DELETE FROM "users" AS u0 WHERE (u0."id" = $1)`, 3), "DELETE 1")
	// A name is given up and taken for another statement.
	repo.close("ecto_1")
	repo.gives(repo.execute("ecto_1", countUsers), 3)
	repo.succeeds(repo.execute("ecto_2", `SELECT u0."age" FROM "users" AS u0`), "SELECT 3")
}

func talkUnnamed(c *conversation) {
	repo := c.connect("repo")
	repo.queries = nil
	repo.schema()
	for n := range 3 {
		repo.gives(repo.insertUser([]string{"a", "b", "c"}[n], 20+n), int64(n+1))
		repo.gives(repo.execute("ecto_1", countUsers), int64(n+1))
	}
	repo.fails(repo.insertUser("a", 20), "23505", 'I')
	repo.begin()
	repo.gives(repo.execute("ecto_2", `SELECT u0."id" FROM "users" AS u0 WHERE (u0."email" = $1)`, "b"), 2)
	repo.commit()
	repo.gives(repo.query("SELECT count(*) FROM pg_prepared_statements WHERE name <> ''"), 0)
}

// talkErrors fails in Parse, in Bind and in Execute; Ecto makes changeset errors
// of the constraints' names, which the lines have.
func talkErrors(c *conversation) {
	repo := c.connect("repo")
	repo.schema()
	repo.succeeds(repo.query(`CREATE TABLE "pets" ("id" bigserial, "owner_id" bigint CONSTRAINT "pets_owner_id_fkey" REFERENCES "users"("id"), `+
		`"stay" tsrange, PRIMARY KEY ("id"), CONSTRAINT "one_at_a_time" EXCLUDE USING gist ("stay" WITH &&))`), "CREATE TABLE")
	repo.gives(repo.insertUser("ada@example.org", 36), 1)
	repo.fails(repo.insertUser("ada@example.org", 36), "23505", 'I')
	repo.fails(repo.insertUser("child@example.org", 7), "23514", 'I')
	repo.fails(repo.execute("ecto_insert_users_1", `INSERT INTO "users" ("age","inserted_at") VALUES ($1,$2)`, 20, noon), "23502", 'I')
	pet := `INSERT INTO "pets" ("owner_id","stay") VALUES ($1,$2) RETURNING "id"`
	day := pgtype.Range[pgtype.Timestamp]{Lower: pgtype.Timestamp{Time: noon, Valid: true}, Upper: pgtype.Timestamp{Time: noon.Add(24 * time.Hour), Valid: true},
		LowerType: pgtype.Inclusive, UpperType: pgtype.Exclusive, Valid: true}
	repo.fails(repo.execute("ecto_insert_pets", pet, 99, nil), "23503", 'I')
	repo.gives(repo.execute("ecto_insert_pets", pet, 1, day), 2)
	repo.fails(repo.execute("ecto_insert_pets", pet, 1, day), "23P01", 'I')
	repo.fails(repo.query(`SELECT m0."id" FROM "missing" AS m0`), "42P01", 'I')
	repo.fails(repo.query(`SELEC 1`), "42601", 'I')
	repo.fails(repo.query("SELECT $1::text::int", "x"), "22P02", 'I')
	repo.fails(repo.query("SELECT 1 FROM generate_series(1, 3) g WHERE 1 / (g - 3) < 0"), "22012", 'I')
	repo.fails(repo.query("DO $$ BEGIN RAISE EXCEPTION 'no' USING ERRCODE = 'P0007', DETAIL = 'because', HINT = 'do not'; END $$"), "P0007", 'I')
	repo.succeeds(repo.query("DO $$ BEGIN RAISE WARNING 'take care'; END $$"), "DO")
	repo.gives(repo.execute("ecto_1", countUsers), 1)
}

// talkSchemaChange makes the plans that two connections have kept stale.
func talkSchemaChange(c *conversation) {
	repo, migrator := c.connect("repo"), c.connect("migrator")
	repo.schema()
	repo.insertUser("ada@example.org", 36)
	all := `SELECT u0.* FROM "users" AS u0`
	repo.succeeds(repo.execute("ecto_1", all), "SELECT 1")
	repo.succeeds(repo.execute("ecto_1", all), "SELECT 1")
	migrator.succeeds(migrator.query(`ALTER TABLE "users" ADD COLUMN "name" text DEFAULT 'none'`), "ALTER TABLE")
	repo.fails(repo.execute("ecto_1", all), "0A000", 'I')
	r := repo.execute("ecto_1", all)
	if r.err != nil || len(r.rows) != 1 || len(r.rows[0]) != 5 {
		c.t.Fatalf("prepared anew: %+v", r)
	}
	// What only selects other columns goes on.
	repo.gives(repo.insertUser("grace@example.org", 40), 2)
	migrator.succeeds(migrator.query(`ALTER TABLE "users" DROP COLUMN "age"`), "ALTER TABLE")
	repo.fails(repo.insertUser("alan@example.org", 41), "42703", 'I')
}

// talkTypes uses types that bootstrap has not seen, which makes Postgrex ask for
// them in the middle of a query.
func talkTypes(c *conversation) {
	repo := c.connect("repo")
	for _, sql := range []string{
		`CREATE TYPE "mood" AS ENUM ('sad', 'ok', 'happy')`,
		`CREATE TYPE "money_in" AS ("amount" numeric, "currency" char(3))`,
		`CREATE DOMAIN "positive" AS integer CHECK (value > 0)`,
		`CREATE TABLE "things" ("id" uuid PRIMARY KEY, "mood" mood, "moods" mood[], "price" money_in, "count" positive, ` +
			`"doc" jsonb, "tags" varchar(255)[], "amount" decimal(10,2), "at" timestamptz, "day" date, "raw" bytea, "ratio" float, "on" boolean)`,
	} {
		if r := repo.query(sql); r.err != nil {
			c.t.Fatalf("%s: %s %s", sql, r.err.Code, r.err.Message)
		}
	}
	id := pgtype.UUID{Bytes: [16]byte{15: 1}, Valid: true}
	insert := `INSERT INTO "things" ("id","mood","count","doc","tags","amount","at","day","raw","ratio","on") VALUES ($1,$2,$3,$4,$5,$6,$7,$8,$9,$10,$11)`
	repo.succeeds(repo.execute("ecto_insert_things", insert, id, "happy", []byte{0, 0, 0, 3}, []byte(`{"a": [1, null]}`), []string{"x", "y"},
		pgtype.Numeric{Int: big.NewInt(1250), Exp: -2, Valid: true}, noon, noon, []byte{0, 255}, 0.1, true), "INSERT 0 1")
	repo.succeeds(repo.execute("ecto_1", `UPDATE "things" SET "moods" = ARRAY[$1::mood, 'sad'], "price" = ROW(2.5, 'EUR')`, "ok"), "UPDATE 1")
	r := repo.execute("ecto_2", `SELECT t0."mood", t0."doc", t0."amount", t0."tags", t0."count" FROM "things" AS t0 WHERE (t0."id" = $1)`, id)
	if r.err != nil || len(r.rows) != 1 || string(r.rows[0][0]) != "happy" {
		c.t.Fatalf("things: %+v", r)
	}
	repo.succeeds(repo.execute("ecto_3", `SELECT t0.* FROM "things" AS t0`), "SELECT 1")
	repo.fails(repo.execute("ecto_4", `SELECT t0."id" FROM "things" AS t0 WHERE (t0."mood" = $1)`, "angry"), "22P02", 'I')
}

func talkTransactions(c *conversation) {
	repo, other := c.connect("repo"), c.connect("other")
	repo.schema()
	repo.begin()
	repo.gives(repo.insertUser("ada@example.org", 36), 1)
	other.gives(other.execute("ecto_1", countUsers), 0)
	repo.commit()
	other.gives(other.execute("ecto_1", countUsers), 1)

	repo.begin()
	repo.insertUser("lost@example.org", 20)
	repo.fails(repo.insertUser("ada@example.org", 36), "23505", 'E')
	repo.fails(repo.execute("ecto_1", countUsers), "25P02", 'E')
	repo.rollback()
	repo.gives(repo.execute("ecto_1", countUsers), 1)

	// Repo.transaction(fun, mode: :savepoint) within one, and a query that says so.
	repo.begin()
	repo.savepoint = true
	repo.begin()
	repo.fails(repo.insertUser("ada@example.org", 36), "23505", 'T')
	repo.gives(repo.insertUser("grace@example.org", 40), 5)
	repo.commit()
	repo.begin()
	repo.gives(repo.insertUser("undone@example.org", 20), 6)
	repo.rollback()
	repo.savepoint = false
	repo.commit()
	repo.gives(repo.execute("ecto_1", countUsers), 2)

	// Row locks: the second waits for the first.
	lock := `SELECT u0."id" FROM "users" AS u0 WHERE (u0."id" = $1) FOR UPDATE`
	repo.begin()
	other.begin()
	repo.gives(repo.execute("ecto_2", lock, 1), 1)
	repo.fails(other.query(lock+" SKIP LOCKED", 1), "", 'T')
	other.fails(other.query(lock+" NOWAIT", 1), "55P03", 'E')
	other.rollback()
	repo.commit()
}

func talkStreams(c *conversation) {
	repo := c.connect("repo")
	repo.begin()
	numbers := repo.declare("1F", "SELECT g FROM generate_series(1, $1::bigint) AS g", 1200)
	others := repo.declare("2B", "SELECT -g FROM generate_series(1, 3) AS g")
	var rows []int
	for len(rows) < 3 {
		rows = append(rows, len(numbers.fetch(500).rows))
		repo.gives(repo.execute("ecto_1", "SELECT count(*) FROM pg_cursors WHERE name <> ''"), 2)
	}
	if !slices.Equal(rows, []int{500, 500, 200}) {
		c.t.Errorf("fetched %v rows", rows)
	}
	others.fetch(2)
	numbers.deallocate()
	others.deallocate()
	out := repo.declare("3C", "COPY (SELECT g, 'line ' || g FROM generate_series(1, 5) AS g) TO STDOUT")
	if r := out.fetch(0); len(r.rows) != 5 || r.tag != "COPY 5" {
		c.t.Errorf("COPY gives %d rows, %s", len(r.rows), r.tag)
	}
	out.deallocate()
	failing := repo.declare("4D", "SELECT 1 / (g - 3) FROM generate_series(1, 5) AS g")
	failing.fetch(2)
	repo.fails(failing.fetch(2), "22012", 'E')
	repo.rollback()
}

func talkCopy(c *conversation) {
	repo := c.connect("repo")
	repo.succeeds(repo.query(`CREATE TABLE "lines" ("n" integer PRIMARY KEY, "body" text)`), "CREATE TABLE")
	into := `COPY "lines" FROM STDIN`
	repo.begin()
	repo.succeeds(repo.declare("1A", into).copyIn("1\tone\n2\tt", "wo\n", "3\tthree\n"), "COPY 3")
	repo.commit()
	repo.begin()
	repo.fails(repo.declare("1B", into).copyIn("4\tfour\n", "1\tagain\n", "5\tfive\n"), "23505", 'E')
	repo.rollback()
	repo.begin()
	repo.savepoint = true
	repo.succeeds(repo.declare("1C", into).copyIn("6\tsix\n"), "COPY 1")
	repo.savepoint = false
	repo.commit()
	repo.gives(repo.query(`SELECT sum(n) FROM "lines"`), 12)
}

// talkStorage is mix ecto.create and ecto.drop, which connect to the
// maintenance database for each statement.
func talkStorage(c *conversation) {
	const name = "ecto_storage"
	run := func(sql string) result {
		p := c.connectTo("postgres", "maintenance")
		defer p.disconnect()
		return p.query(sql)
	}
	create, drop := `CREATE DATABASE "`+name+`" ENCODING 'UTF8'`, `DROP DATABASE "`+name+`"`
	status := "SELECT datname FROM pg_catalog.pg_database WHERE datname = '" + name + "'"
	for _, step := range []struct{ sql, tag, state string }{
		{status, "SELECT 0", ""}, {create, "CREATE DATABASE", ""}, {create, "", "42P04"}, {status, "SELECT 1", ""},
		{drop, "DROP DATABASE", ""}, {drop, "", "3D000"},
	} {
		if r := run(step.sql); r.tag != step.tag || r.state() != step.state {
			c.t.Fatalf("%s: %q, %q", step.sql, r.tag, r.state())
		}
	}
}

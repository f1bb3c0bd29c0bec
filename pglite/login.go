package pglite

import (
	"context"
	"fmt"
	"strconv"
)

// login is what a backend is booted for.
type login struct {
	role, db string
	// The OIDs of both, since another role or database can come by the name; 0
	// for whichever has the name when the backend boots.
	roleOID, dbOID uint32
	// defaults names the settings that Postgres gives such a session when it
	// starts (pg_db_role_setting): when they change, the next session of the
	// role or database needs a backend that has read them.
	defaults string
	// worker makes it an autovacuum worker, which is the bootstrap superuser;
	// override lets it into a database that allows no connections, without the
	// settings of role and database.
	worker, override bool
}

// truncateName cuts a name as ProcessStartupPacket does.
func truncateName(s string) string { return s[:min(len(s), userNameMax)] }

// checkLogin does what Postgres does between authentication and the first
// query, in its order and words (InitializeSessionUserId in
// src/backend/utils/init/miscinit.c, CheckMyDatabase in postinit.c), so that a
// connection that fails costs no backend. events tells whether the database has
// triggers on login.
func (c *Cluster) checkLogin(ctx context.Context, user, db string) (want login, own limits, events bool, err error) {
	rows, err := c.asHost(ctx, `select r.rolcanlogin, r.rolsuper, r.rolconnlimit, d.oid is not null, d.datallowconn, d.datconnlimit,
		r.oid, coalesce(d.oid, 0), coalesce(d.dathasloginevt, false),
		case when d.oid is not null then pg_catalog.has_database_privilege(r.oid, d.oid, 'CONNECT') end,
		(select pg_catalog.string_agg(s.setdatabase || ' ' || s.setrole || ' ' || s.setconfig::text, ';' order by s.setdatabase, s.setrole)
			from pg_catalog.pg_db_role_setting s where s.setdatabase in (0, d.oid) and s.setrole in (0, r.oid))
		from pg_catalog.pg_authid r left join pg_catalog.pg_database d on d.datname = `+quoteLiteral(db)+`
		where r.rolname = `+quoteLiteral(user))
	if err != nil {
		return want, own, false, asFatal(err)
	}
	if len(rows) == 0 {
		return want, own, false, fatal("28000", "role \"%s\" does not exist", user)
	}
	r := rows[0]
	want = login{role: user, db: db, defaults: r[10]}
	for oid, text := range map[*uint32]string{&want.roleOID: r[6], &want.dbOID: r[7]} {
		n, err := strconv.ParseUint(text, 10, 32)
		if err != nil {
			return want, own, false, fmt.Errorf("pglite: OID of role or database: %w", err)
		}
		*oid = uint32(n)
	}
	canLogin, super, exists, allowed, granted := r[0] == "t", r[1] == "t", r[3] == "t", r[4] == "t", r[9] == "t"
	own = limits{role: limit(r[2]), db: limit(r[5])}
	if super {
		own = limits{-1, -1}
	}
	c.mu.Lock()
	ofRole, ofDB := c.tooMany(want, own)
	c.mu.Unlock()
	var refusal *Error
	switch {
	case !canLogin:
		refusal = fatal("28000", "role \"%s\" is not permitted to log in", user)
	case ofRole != nil:
		refusal = ofRole
	case !exists:
		refusal = fatal("3D000", "database \"%s\" does not exist", db)
	case !allowed:
		refusal = fatal("55000", "database \"%s\" is not currently accepting connections", db)
	case !granted:
		refusal = fatal("42501", "permission denied for database \"%s\"", db)
		refusal.Detail = "User does not have CONNECT privilege."
	case ofDB != nil:
		refusal = ofDB
	}
	if refusal != nil {
		return want, own, false, refusal
	}
	return want, own, r[8] == "t", nil
}

// limits are how many sessions a role and a database may have, −1 for any number.
type limits struct{ role, db int }

func limit(text string) int {
	n, err := strconv.Atoi(text)
	if err != nil { // no such database
		return -1
	}
	return n
}

// tooMany refuses a session of a role, or of a database, that has as many as it may,
// with and without a backend. REQUIRES: mu.
func (c *Cluster) tooMany(want login, own limits) (ofRole, ofDB *Error) {
	if own.role < 0 && own.db < 0 {
		return nil, nil
	}
	inRole, inDB := 0, 0
	for _, s := range c.mu.sessions {
		if s.want.roleOID == want.roleOID {
			inRole++
		}
		if s.want.dbOID == want.dbOID {
			inDB++
		}
	}
	if own.role >= 0 && inRole >= own.role {
		ofRole = fatal("53300", "too many connections for role \"%s\"", want.role)
	}
	if own.db >= 0 && inDB >= own.db {
		ofDB = fatal("53300", "too many connections for database \"%s\"", want.db)
	}
	return ofRole, ofDB
}

// RoleSecret is what pg_authid holds as a role's password, "" when it has none,
// has outlived it, or does not exist.
func (c *Cluster) RoleSecret(ctx context.Context, role string) (string, error) {
	rows, err := c.asHost(ctx, `select rolpassword from pg_catalog.pg_authid
		where rolname = `+quoteLiteral(role)+` and coalesce(rolvaliduntil > pg_catalog.now(), true)`)
	if err != nil || len(rows) == 0 {
		return "", err
	}
	return rows[0][0], nil
}

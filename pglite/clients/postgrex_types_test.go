package clients_test

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/jackc/pgx/v5/pgproto3"
)

// typeQuery asks what Postgrex asks of the catalogs before anything else
// (Postgrex.Types.bootstrap_query): how each type is sent and received, and of
// which types it is made. It is a simple query, and the rows come in the order
// of the heap.
const typeQuery = `
select t.oid, t.typname, t.typsend, t.typreceive, t.typoutput, t.typinput,
       coalesce(d.typelem, t.typelem), coalesce(r.rngsubtype, 0),
       array(select a.atttypid from pg_attribute as a
             where a.attrelid = t.typrelid and a.attnum > 0 and not a.attisdropped
             order by a.attnum)
from pg_type as t
left join pg_type as d on d.oid = t.typbasetype
left join pg_range as r on r.rngtypid = t.oid or r.rngmultitypid = t.oid
                        or t.typbasetype <> 0 and r.rngtypid = t.typbasetype
`

// plainTypes leaves composite types and arrays of them out. Types that turn out
// to be missing are asked for one by one, as reload does.
const plainTypes = `
where t.typrelid = 0
  and (t.typelem = 0 or not exists (select 1 from pg_catalog.pg_type as s where s.typrelid <> 0 and s.oid = t.typelem))`

// bootstrap asks for all types. The rows' order and the OIDs that initdb has
// given are the server's, so the lines are sorted and have the others only.
func (p *postgrex) bootstrap() {
	p.c.t.Helper()
	first := len(p.c.lines)
	r := p.simple(typeQuery + plainTypes)
	if r.err != nil {
		p.c.t.Fatalf("%s: types: %s %s", p.name, r.err.Code, r.err.Message)
	}
	p.c.lines = p.c.lines[:first]
	p.c.known = make(map[uint32]bool)
	for _, row := range r.rows {
		oid := p.typeRow(row)
		if oid < 12000 {
			p.c.say(p.name+" <-", "type %s", showValues(row))
		}
	}
	slices.Sort(p.c.lines[first:])
	for _, want := range []string{`"20", "int8", "int8send", "int8recv", "int8out", "int8in", "0", "0", "{}"`, `"4451", "int4multirange", "multirange_send", "multirange_recv", "multirange_out", "multirange_in", "0", "23", "{}"`} {
		if !slices.Contains(p.c.lines[first:], p.name+" <- type "+want) {
			p.c.t.Errorf("%s: types without %s", p.name, want)
		}
	}
}

// typeRow notes the type of a row of typeQuery.
func (p *postgrex) typeRow(row [][]byte) uint32 {
	p.c.t.Helper()
	oid := p.parseOID(string(row[0]))
	p.c.known[oid] = true
	return oid
}

func (p *postgrex) parseOID(s string) uint32 {
	p.c.t.Helper()
	oid, err := strconv.ParseUint(s, 10, 32)
	if err != nil {
		p.c.t.Fatalf("%s: OID: %v", p.name, err)
	}
	return uint32(oid)
}

// unknownTypes are those of a statement that came into being since bootstrap.
func (p *postgrex) unknownTypes(st *prepared) (unknown []uint32) {
	oids := slices.Clone(st.params)
	for _, f := range st.columns {
		oids = append(oids, f.DataTypeOID)
	}
	for _, oid := range oids {
		if !p.c.known[oid] && !slices.Contains(unknown, oid) {
			unknown = append(unknown, oid)
		}
	}
	return unknown
}

// reload drops a statement that has been flushed and asks for the types that it
// needs, then for those that they are made of (reload_flushed, reload).
func (p *postgrex) reload(st *prepared, oids []uint32) {
	p.c.t.Helper()
	drop := &pgproto3.Close{ObjectType: 'S', Name: st.name}
	if p.savepoint {
		p.send(drop, &pgproto3.Query{String: restore})
	} else {
		p.send(drop, &pgproto3.Sync{})
	}
	must[*pgproto3.CloseComplete](p)
	if p.savepoint {
		p.recvTransaction()
	} else {
		must[*pgproto3.ReadyForQuery](p)
	}
	for len(oids) > 0 {
		list := strings.Trim(strings.ReplaceAll(fmt.Sprint(oids), " ", ","), "[]")
		first := len(p.c.lines)
		r := p.simple(typeQuery + "where t.oid in (" + list + ")")
		if r.err != nil || len(r.rows) != len(oids) {
			p.c.t.Fatalf("%s: types %v: %d rows, %v", p.name, oids, len(r.rows), r.err)
		}
		p.c.lines = p.c.lines[:first]
		var parts []uint32
		for _, row := range r.rows {
			p.typeRow(row)
			made := append([]string{string(row[6]), string(row[7])}, strings.Split(strings.Trim(string(row[8]), "{}"), ",")...)
			for _, part := range made {
				if part == "" || part == "0" {
					continue
				}
				if oid := p.parseOID(part); !p.c.known[oid] && !slices.Contains(parts, oid) {
					parts = append(parts, oid)
				}
			}
			p.c.say(p.name+" <-", "type %s", showValues(row[1:6]))
		}
		oids = parts
	}
}

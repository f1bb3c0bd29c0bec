package pglite

import (
	"context"
	"fmt"
)

// outputSettings are what text depends on, with those of the host's own SQL, so that
// they can stay until another session adopts the backend.
var outputSettings = append(append([]Setting(nil), hostSettings...), []Setting{
	{"datestyle", "ISO, MDY"}, {"intervalstyle", "postgres"}, {"timezone", "UTC"}, {"extra_float_digits", "1"},
	{"bytea_output", "hex"}, {"lc_monetary", "C"}, {"quote_all_identifiers", "off"},
}...)

// Output has a type's output function write a value as Postgres keeps it on its
// pages: datum is neither compressed nor out of line and has no length before it (a
// varlena header). function, byval and length are the type's typoutput, typbyval and
// typlen in pg_type of that database. The bytes have to be a value of the type, since
// Postgres believes that they are.
//
// The text is as with DateStyle ISO, IntervalStyle postgres, TimeZone UTC,
// extra_float_digits 1 and bytea_output hex, with names of all schemas but pg_catalog
// in full, and in the encoding of the database. What Postgres makes of it otherwise is
// an *Error: of the function (22P03 for the label of an enum that is gone), or 3D000
// without the database.
//
// It runs no SQL, on a backend of the host's for that database, which is kept for the
// next value and gives way to clients and to DROP DATABASE. Who calls it is none that
// a guest waits for: no host function, and no observer of files.
func (c *Cluster) Output(ctx context.Context, database string, function uint32, byval bool, length int16, datum []byte) (string, error) {
	if length > 0 && len(datum) != int(length) || byval && length > 4 {
		return "", fmt.Errorf("pglite: a value of %d bytes, of a type of %d", len(datum), length)
	}
	for {
		text, err := c.tryOutput(ctx, database, function, byval, length, datum)
		// It ended by a time-out of its last session's, or another crashed.
		if !lostBackend(err) {
			return text, err
		}
	}
}

func (c *Cluster) tryOutput(ctx context.Context, database string, function uint32, byval bool, length int16, datum []byte) (text string, err error) {
	b, err := c.pool.take(ctx, c.host, login{role: hostLogin.role, db: database})
	if err != nil {
		return "", err
	}
	defer c.pool.release(b)
	if err := c.Err(); err != nil { // a backend from before the cluster stopped
		return "", err
	}
	if err := b.adopt(c.host); err != nil {
		return "", err
	}
	err = b.do(func() error {
		if err := b.startup(outputSettings); err != nil {
			return err
		}
		defer func() {
			if !b.ended {
				b.countTransactions(false)
			}
		}()
		return b.inTransaction(func() error {
			p, err := b.pushDatum(byval, length, datum)
			if err != nil {
				return err
			}
			s, err := b.inst.Call("OidOutputFunctionCall", uint64(function), p)
			if err == nil {
				text = b.inst.LongString(uint32(s))
			}
			return err
		})
	})
	return text, err
}

// pushDatum makes a Datum of a value's bytes, in memory that the end of the
// transaction frees (fetch_att in src/include/access/tupmacs.h). REQUIRES: entered, in
// a transaction.
func (b *backend) pushDatum(byval bool, length int16, datum []byte) (uint64, error) {
	if byval {
		var v uint64
		for k, x := range datum {
			v |= uint64(x) << (8 * k)
		}
		return v, nil
	}
	const headerSize = 4 // of a varlena, whose length includes it (SET_VARSIZE_4B)
	header, end := uint32(0), uint32(0)
	switch length {
	case -1:
		header = headerSize
	case -2: // a C string
		end = 1
	}
	size := header + uint32(len(datum)) + end
	p, err := b.inst.Call("palloc", uint64(size))
	if err != nil {
		return 0, err
	}
	m := b.inst.Bytes(uint32(p), size)
	if header > 0 {
		b.inst.PutUint32(uint32(p), size<<2)
	}
	copy(m[header:], datum)
	if end > 0 {
		m[size-1] = 0
	}
	return p, nil
}

package bundle

import (
	"context"
	_ "embed"
	"encoding/json"
	"fmt"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/howdahdb/howdah/bridge/change"
	"github.com/howdahdb/howdah/bridge/value"
)

// shapesSQL gives all tables and the types of their columns, and the types that
// those are made of, as one JSON document.
//
//go:embed shapes.sql
var shapesSQL string

// shapes is what shapesSQL gives.
type shapes struct {
	Types []struct {
		OID, Elem, Output uint32
		Schema, Name      string
		Kind              value.Kind
		Length            int16
		Align, Delim      string
		ByVal             bool
		Labels            map[uint32]string
		Fields            []struct {
			Name    string
			Type    uint32
			Typmod  int32
			Dropped bool
			Length  int16
			Align   string
		}
	}
	Tables []struct {
		OID                    uint32
		Schema, Name, Identity string
		Columns                []struct {
			Name        string
			Number      int16
			Type        uint32
			Typmod      int32
			Key, Stored bool
		}
	}
}

// readShapes reads the shapes of all tables that sets can be of.
func readShapes(ctx context.Context, conn *pgconn.PgConn) ([]*change.Table, error) {
	r, err := conn.Exec(ctx, shapesSQL).ReadAll()
	if err != nil {
		return nil, fmt.Errorf("read the shapes of tables: %w", err)
	}
	var s shapes
	if err := json.Unmarshal(r[0].Rows[0][0], &s); err != nil {
		return nil, fmt.Errorf("read the shapes of tables: %w", err)
	}
	return s.tables(s.types()), nil
}

// types makes the types, which refer to one another.
func (s *shapes) types() map[uint32]*value.Type {
	types := map[uint32]*value.Type{}
	for i := range s.Types {
		t := &s.Types[i]
		types[t.OID] = &value.Type{
			OID: t.OID, Schema: t.Schema, Name: t.Name, Kind: t.Kind, Length: t.Length, Align: t.Align[0], Delim: t.Delim[0],
			ByVal: t.ByVal, Output: t.Output, Labels: t.Labels,
		}
	}
	for i := range s.Types {
		t := &s.Types[i]
		to := types[t.OID]
		to.Elem = types[t.Elem]
		for _, f := range t.Fields {
			to.Fields = append(to.Fields, value.Field{Name: f.Name, Type: types[f.Type], Typmod: f.Typmod, Dropped: f.Dropped, Length: f.Length, Align: f.Align[0]})
		}
	}
	return types
}

func (s *shapes) tables(types map[uint32]*value.Type) (all []*change.Table) {
	for i := range s.Tables {
		t := &s.Tables[i]
		to := &change.Table{OID: t.OID, Schema: t.Schema, Name: t.Name, Identity: change.Identity(t.Identity[0])}
		for _, c := range t.Columns {
			to.Columns = append(to.Columns, change.Column{Name: c.Name, Number: c.Number, Type: types[c.Type], Typmod: c.Typmod, Key: c.Key, Stored: c.Stored})
		}
		all = append(all, to)
	}
	return all
}

package etf

import (
	"encoding/binary"
	"fmt"
)

func (e *encoder) pid(p PID) (err error) {
	if e.dst, err = AppendAtom(append(e.dst, newPIDExt), p.Node); err != nil {
		return err
	}
	e.dst = binary.BigEndian.AppendUint32(e.dst, p.ID)
	e.dst = binary.BigEndian.AppendUint32(e.dst, p.Serial)
	e.dst = binary.BigEndian.AppendUint32(e.dst, p.Creation)
	return nil
}

// port writes a NEW_PORT_EXT where the id fits, as OTP does: V4_PORT_EXT is for nodes
// that have said that they know it.
func (e *encoder) port(p Port) (err error) {
	if p.ID >= 1<<28 {
		if e.dst, err = AppendAtom(append(e.dst, v4PortExt), p.Node); err != nil {
			return err
		}
		e.dst = binary.BigEndian.AppendUint64(e.dst, p.ID)
	} else {
		if e.dst, err = AppendAtom(append(e.dst, newPortExt), p.Node); err != nil {
			return err
		}
		e.dst = binary.BigEndian.AppendUint32(e.dst, uint32(p.ID))
	}
	e.dst = binary.BigEndian.AppendUint32(e.dst, p.Creation)
	return nil
}

func (e *encoder) ref(r Ref) (err error) {
	if r.Len == 0 || r.Len > maxRef {
		return fmt.Errorf("etf: reference of %d words", r.Len)
	}
	if e.dst, err = AppendAtom(append(e.dst, newerReferenceExt, 0, r.Len), r.Node); err != nil {
		return err
	}
	e.dst = binary.BigEndian.AppendUint32(e.dst, r.Creation)
	for _, w := range r.Words[:r.Len] {
		e.dst = binary.BigEndian.AppendUint32(e.dst, w)
	}
	return nil
}

func (e *encoder) export(x Export) (err error) {
	if e.dst, err = AppendAtom(append(e.dst, exportExt), x.Module); err != nil {
		return err
	}
	if e.dst, err = AppendAtom(e.dst, x.Function); err != nil {
		return err
	}
	e.dst = append(e.dst, smallIntegerExt, x.Arity)
	return nil
}

// fun writes the bytes that a fun came in, if they are still those of one.
func (e *encoder) fun(f Fun) error {
	t, rest, err := Limits{Depth: e.depth + 1}.DecodeBare(f)
	if err != nil {
		return fmt.Errorf("etf: not a fun: %w", err)
	}
	if _, ok := t.(Fun); !ok || len(rest) != 0 {
		return fmt.Errorf("etf: %d bytes that are not those of a fun alone", len(f))
	}
	e.dst = append(e.dst, f...)
	return nil
}

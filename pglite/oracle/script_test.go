package oracle_test

import (
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/jackc/pgx/v5/pgproto3"
)

// A script is one file of testdata/corpus: what a client sends, and nothing of
// what it expects, because the native server answers that.
//
// The format is read line by line. Empty lines and lines that begin with "--"
// between statements are skipped.
//
//	select 1;                 a statement: ends with the line that ends in ";",
//	                          not counting lines inside an open $$ quote.
//	select 1\; select 2;      \; puts several statements into one Query message
//	\mode simple              how statements are sent: one Query message
//	\mode text|binary         or Parse, Bind, Describe, Execute, Sync, with the
//	                          results in that format
//	\mode every               or in all three ways, one after the other
//	\data                     lines of COPY data up to "\." (CopyDone) or
//	                          "\! message" (CopyFail)
//	\data hex                 the same, but the lines are the bytes in hexadecimal
//	\connect key=value …      end the connection and open another with these
//	                          startup parameters (user and database are given)
//
// Directives of the extended protocol collect messages; \sync and \flush send
// what was collected and read the answers. A name "" is the unnamed statement
// or portal. A value is null, 'text', t'hex' (text format, any bytes) or x'hex'
// (binary format); the results' formats follow "->".
//
//	\parse name [oid,…] sql…          \describe S|P name
//	\bind portal stmt value… -> text|binary
//	\execute portal [rows]            \close S|P name
//	\function oid value… -> text|binary
//	\query sql…                       a Query inside the batch
//	\message X hex                    a message of type X with this body
//	\raw hex                          bytes as they are, for which no answer is due
//	\sync later                       a Sync that does not yet send
//	\sync                             send, read up to the last ReadyForQuery
//	\flush                            send Flush, read every answer that is due
//	\end                              send, read until the server hangs up
type script struct {
	name       string // base name of the file
	steps      []step
	statements int
}

// A step is one thing sent and the rule that says when its answer is complete.
type step struct {
	line    int
	text    string // for messages to the reader
	send    []byte
	until   until
	due     []reply           // untilReplies: what the server owes for send
	readies int               // untilReady: how many ReadyForQuery are owed
	copying bool              // untilReady: a CopyInResponse ends the answer too
	startup map[string]string // untilStarted
}

type until int

const (
	untilReady   until = iota // the last ReadyForQuery that is owed
	untilReplies              // one answer for each collected message, or an error
	untilCopied               // COPY data: sent only if the server asked for it
	untilClosed               // end of the stream
	untilStarted              // a new connection's first ReadyForQuery
)

// reply names the message types of which one ends the answer to a message.
type reply string

const (
	replyParse    reply = "1"
	replyBind     reply = "2"
	replyClose    reply = "3"
	replyDescribe reply = "Tn"
	replyExecute  reply = "CsI"
)

type parser struct {
	file  string
	lines []string
	next  int // index of the line to be read

	out     script
	modes   []string
	batch   step
	pending bool // batch has messages
	err     error
}

func readScript(file string) (*script, error) {
	data, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	p := &parser{file: file, lines: strings.Split(strings.TrimRight(string(data), "\n"), "\n"), modes: []string{"simple"}}
	p.out.name = strings.TrimSuffix(filepath.Base(file), ".sql")
	for p.next < len(p.lines) && p.err == nil {
		line := p.lines[p.next]
		switch {
		case strings.TrimSpace(line) == "" || strings.HasPrefix(line, "--"):
			p.next++
		case strings.HasPrefix(line, `\`):
			p.next++
			p.directive(line)
		default:
			p.statement()
		}
	}
	if p.err == nil && p.pending {
		p.fail("messages after the last \\sync")
	}
	return &p.out, p.err
}

func (p *parser) fail(format string, args ...any) {
	if p.err == nil {
		p.err = fmt.Errorf("%s:%d: %s", p.file, p.next, fmt.Sprintf(format, args...))
	}
}

func (p *parser) add(s step) { p.out.steps = append(p.out.steps, s) }

func (p *parser) statement() {
	first := p.next
	quotes := 0
	for ; p.next < len(p.lines); p.next++ {
		quotes += strings.Count(p.lines[p.next], "$$")
		if quotes%2 == 0 && strings.HasSuffix(strings.TrimRight(p.lines[p.next], " "), ";") {
			p.next++
			p.send(first+1, strings.Join(p.lines[first:p.next], "\n"))
			return
		}
	}
	p.fail("statement that begins at line %d has no end", first+1)
}

func (p *parser) send(line int, sql string) {
	sql = strings.ReplaceAll(sql, `\;`, ";")
	for _, mode := range p.modes {
		p.out.statements++
		s := step{line: line, text: sql, readies: 1, copying: true}
		switch mode {
		case "simple":
			s.send = p.encode(nil, &pgproto3.Query{String: sql})
		default:
			s.text = "(" + mode + ") " + sql
			s.send = p.encode(nil, &pgproto3.Parse{Query: sql})
			s.send = p.encode(s.send, &pgproto3.Bind{ResultFormatCodes: formats(mode)})
			s.send = p.encode(s.send, &pgproto3.Describe{ObjectType: 'P'})
			s.send = p.encode(s.send, &pgproto3.Execute{})
			s.send = p.encode(s.send, &pgproto3.Sync{})
		}
		p.add(s)
	}
}

func formats(mode string) []int16 {
	if mode == "binary" {
		return []int16{pgproto3.BinaryFormat}
	}
	return []int16{pgproto3.TextFormat}
}

func (p *parser) encode(dst []byte, m pgproto3.FrontendMessage) []byte {
	dst, err := m.Encode(dst)
	if err != nil {
		p.fail("%v", err)
	}
	return dst
}

// collect adds a message to the batch that the next \sync or \flush sends.
func (p *parser) collect(line string, m pgproto3.FrontendMessage, due reply) {
	if !p.pending {
		p.batch = step{line: p.next}
		p.pending = true
	}
	if line != "" {
		p.batch.text += line + "\n"
	}
	p.batch.send = p.encode(p.batch.send, m)
	if due != "" {
		p.batch.due = append(p.batch.due, due)
	}
}

func (p *parser) release(u until) {
	s := p.batch
	if !p.pending {
		s = step{line: p.next}
	}
	s.until = u
	p.batch, p.pending = step{}, false
	p.add(s)
}

func (p *parser) directive(line string) {
	words, rest, _ := strings.Cut(line, " ")
	switch words {
	case `\mode`:
		if rest == "every" {
			p.modes = []string{"simple", "text", "binary"}
			return
		}
		p.modes = []string{rest}
	case `\data`:
		p.copyData(rest == "hex")
	case `\connect`:
		p.connect(line, rest)
	case `\parse`:
		p.out.statements++
		name, args := word(rest)
		m := &pgproto3.Parse{Name: name}
		if oids, sql := word(args); isOIDs(oids) {
			for o := range strings.SplitSeq(oids, ",") {
				n, _ := strconv.ParseUint(o, 10, 32)
				m.ParameterOIDs = append(m.ParameterOIDs, uint32(n))
			}
			args = sql
		}
		m.Query = args
		p.collect(line, m, replyParse)
	case `\bind`:
		portal, args := word(rest)
		stmt, args := word(args)
		v, f, r := p.values(args)
		p.collect(line, &pgproto3.Bind{DestinationPortal: portal, PreparedStatement: stmt,
			Parameters: v, ParameterFormatCodes: f, ResultFormatCodes: r}, replyBind)
	case `\describe`, `\close`:
		kind, name := word(rest)
		name, _ = word(name)
		if words == `\close` {
			p.collect(line, &pgproto3.Close{ObjectType: kind[0], Name: name}, replyClose)
			return
		}
		p.collect(line, &pgproto3.Describe{ObjectType: kind[0], Name: name}, replyDescribe)
	case `\execute`:
		portal, rows := word(rest)
		n, _ := strconv.ParseUint(rows, 10, 32)
		p.collect(line, &pgproto3.Execute{Portal: portal, MaxRows: uint32(n)}, replyExecute)
	case `\function`:
		p.out.statements++
		oid, args := word(rest)
		n, err := strconv.ParseUint(oid, 10, 32)
		if err != nil {
			p.fail("%v", err)
		}
		v, f, r := p.values(args)
		m := &pgproto3.FunctionCall{Function: uint32(n), Arguments: v, ResultFormatCode: uint16(r[0])}
		for _, code := range f {
			m.ArgFormatCodes = append(m.ArgFormatCodes, uint16(code))
		}
		p.collect(line, m, "")
		p.batch.readies++
		p.release(untilReady)
	case `\query`:
		p.out.statements++
		p.collect(line, &pgproto3.Query{String: rest}, "")
		p.batch.readies++
	case `\raw`:
		p.collect(line, rawBytes(p.hex(rest)), "")
	case `\message`:
		kind, body := word(rest)
		b := p.hex(body)
		frame := binary.BigEndian.AppendUint32([]byte{kind[0]}, uint32(len(b)+4))
		p.collect(line, rawBytes(append(frame, b...)), "")
		if kind == "Q" || kind == "F" {
			p.batch.readies++
		}
	case `\sync`:
		p.collect(line, &pgproto3.Sync{}, "")
		p.batch.readies++
		if rest != "later" {
			p.release(untilReady)
		}
	case `\flush`:
		p.collect(line, &pgproto3.Flush{}, "")
		p.release(untilReplies)
	case `\end`:
		p.release(untilClosed)
	default:
		p.fail("unknown directive %s", words)
	}
}

func (p *parser) connect(line, rest string) {
	s := step{line: p.next, text: line, until: untilStarted, startup: map[string]string{}}
	for rest != "" {
		key, value, ok := strings.Cut(rest, "=")
		if !ok {
			p.fail("%q is not key=value", rest)
		}
		s.startup[key], rest = word(value)
	}
	p.add(s)
}

func (p *parser) copyData(inHex bool) {
	start := p.next
	var frames []byte
	for ; p.next < len(p.lines); p.next++ {
		line := p.lines[p.next]
		switch {
		case line == `\.`:
			frames = p.encode(frames, &pgproto3.CopyDone{})
		case strings.HasPrefix(line, `\! `):
			frames = p.encode(frames, &pgproto3.CopyFail{Message: line[3:]})
		case inHex:
			frames = p.encode(frames, &pgproto3.CopyData{Data: p.hex(line)})
			continue
		default:
			frames = p.encode(frames, &pgproto3.CopyData{Data: []byte(line + "\n")})
			continue
		}
		p.next++
		if p.pending {
			p.batch.send = append(p.batch.send, frames...)
			p.batch.text += "\\data\n"
			return
		}
		p.add(step{line: start, text: `\data`, send: frames, until: untilCopied})
		return
	}
	p.fail("\\data at line %d has no end", start)
}

func (p *parser) hex(s string) []byte {
	b, err := hex.DecodeString(strings.ReplaceAll(s, " ", ""))
	if err != nil {
		p.fail("%v", err)
	}
	return b
}

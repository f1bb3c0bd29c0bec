package replication

import "fmt"

// parse reads a command as src/backend/replication/repl_gram.y does. What does
// not begin with a keyword that begins one is SQL. The error is an *Error.
func parse(text string) (command, error) {
	p := &parser{scanner: scanner{rest: text}}
	p.advance()
	rule, ok := commands[p.at.text]
	if p.at.kind != tokenKeyword || !ok {
		return sqlCommand{}, nil
	}
	p.advance()
	c := rule(p)
	if p.at.kind == tokenOther && p.at.text == ";" {
		p.advance()
	}
	if p.at.kind != tokenEnd {
		p.fail()
	}
	if p.err != nil {
		return nil, p.err
	}
	return c, nil
}

var commands = map[string]func(p *parser) command{
	"IDENTIFY_SYSTEM":         func(*parser) command { return identifySystem{} },
	"SHOW":                    (*parser).show,
	"READ_REPLICATION_SLOT":   func(p *parser) command { return readSlot{p.name()} },
	"CREATE_REPLICATION_SLOT": (*parser).createSlot,
	"DROP_REPLICATION_SLOT":   func(p *parser) command { return dropSlot{slot: p.name(), wait: p.keyword("WAIT")} },
	"ALTER_REPLICATION_SLOT":  func(p *parser) command { return alterSlot{slot: p.name(), options: p.optionList()} },
	"START_REPLICATION":       (*parser).startReplication,
	"TIMELINE_HISTORY":        func(p *parser) command { return timelineHistory{p.timeline()} },
	"BASE_BACKUP":             func(p *parser) command { p.skip(); return baseBackup{} },
	"UPLOAD_MANIFEST":         func(*parser) command { return uploadManifest{} },
}

// parser has one token of lookahead. After the first error it stands still.
type parser struct {
	scanner scanner
	at      token
	err     error
}

func (p *parser) advance() { p.at = p.scanner.next() }

// fail is a syntax error at the current token.
func (p *parser) fail() {
	if p.err != nil {
		return
	}
	p.err = errorf("42601", "syntax error")
	p.scanner.rest, p.at = "", token{}
}

func (p *parser) keyword(word string) bool {
	if p.at.kind != tokenKeyword || p.at.text != word {
		return false
	}
	p.advance()
	return true
}

func (p *parser) character(c string) bool {
	if p.at.kind != tokenOther || p.at.text != c {
		return false
	}
	p.advance()
	return true
}

func (p *parser) name() string {
	if p.at.kind != tokenName {
		p.fail()
		return ""
	}
	name := p.at.text
	p.advance()
	return name
}

// skip passes over the rest of a command that is refused whatever it says.
func (p *parser) skip() {
	for p.at.kind != tokenEnd && p.at.kind != tokenBad {
		p.advance()
	}
}

func (p *parser) show() command {
	name := p.name()
	for p.character(".") {
		name += "." + p.name()
	}
	return show{name}
}

func (p *parser) createSlot() command {
	c := createSlot{slot: p.name(), temporary: p.keyword("TEMPORARY")}
	if c.physical = p.keyword("PHYSICAL"); !c.physical {
		if !p.keyword("LOGICAL") {
			p.fail()
		}
		c.plugin = p.name()
	}
	if p.at.kind == tokenOther && p.at.text == "(" {
		c.options = p.optionList()
		return c
	}
	for {
		o, ok := legacyOptions[p.at.text]
		if p.at.kind != tokenKeyword || !ok {
			return c
		}
		p.advance()
		c.options = append(c.options, o)
	}
}

// legacyOptions are how options were written before PostgreSQL 15.
var legacyOptions = map[string]option{
	"EXPORT_SNAPSHOT":   {name: "snapshot", value: "export"},
	"NOEXPORT_SNAPSHOT": {name: "snapshot", value: "nothing"},
	"USE_SNAPSHOT":      {name: "snapshot", value: "use"},
	"RESERVE_WAL":       {name: "reserve_wal", value: "true"},
	"TWO_PHASE":         {name: "two_phase", value: "true"},
}

// optionList is generic_option_list: names may be keywords, which are then taken
// in lower case.
func (p *parser) optionList() []option {
	return p.list(func() (o option) {
		switch p.at.kind {
		case tokenName:
			o.name = p.at.text
		case tokenKeyword:
			o.name = lower(p.at.text)
		default:
			p.fail()
			return o
		}
		p.advance()
		switch p.at.kind {
		case tokenName, tokenString, tokenNumber:
			o.value = p.at.text
			p.advance()
		default:
			o.absent = true
		}
		return o
	})
}

// pluginOptions is plugin_options, which are names with strings or nothing.
func (p *parser) pluginOptions() []option {
	return p.list(func() option {
		o := option{name: p.name(), absent: true}
		if p.at.kind == tokenString {
			o.value, o.absent = p.at.text, false
			p.advance()
		}
		return o
	})
}

// list reads elements with commas between them, in parentheses.
func (p *parser) list(element func() option) (options []option) {
	if !p.character("(") {
		p.fail()
	}
	for p.err == nil {
		options = append(options, element())
		if !p.character(",") {
			break
		}
	}
	if !p.character(")") {
		p.fail()
	}
	return options
}

func (p *parser) startReplication() command {
	var c startReplication
	if p.keyword("SLOT") {
		c.slot = p.name()
		c.logical = p.keyword("LOGICAL")
	}
	if !c.logical {
		p.keyword("PHYSICAL")
	}
	if p.at.kind != tokenLSN {
		p.fail()
	}
	c.from = p.at.lsn
	if p.err == nil {
		p.advance()
	}
	switch {
	case !c.logical && p.keyword("TIMELINE"):
		p.timeline()
	case c.logical && p.at.kind == tokenOther && p.at.text == "(":
		c.options = p.pluginOptions()
	}
	return c
}

func (p *parser) timeline() uint32 {
	if p.at.kind != tokenNumber {
		p.fail()
		return 0
	}
	n := p.at.number
	p.advance()
	if n == 0 && p.err == nil {
		p.fail()
		p.err = errorf("42601", "invalid timeline %d", n)
	}
	return n
}

// Error is what a client is told, with its SQLSTATE.
type Error struct {
	Code    string
	Message string
	Detail  string
	Hint    string
}

func (e *Error) Error() string    { return e.Message }
func (e *Error) SQLState() string { return e.Code }

func errorf(code, format string, args ...any) *Error {
	return &Error{Code: code, Message: fmt.Sprintf(format, args...)}
}

package replication

import (
	"strconv"
	"strings"
)

// settings are the options of START_REPLICATION for pgoutput
// (parse_output_parameters in pgoutput.c).
type settings struct {
	version      int
	publications []string
	binary       bool
	messages     bool
	localOnly    bool // origin none: nothing that has come from elsewhere
}

// The versions of the protocol: 2 brought streaming, 3 two-phase commits, 4
// streaming to parallel workers.
const (
	minVersion          = 1
	maxVersion          = 4
	streamVersion       = 2
	twoPhaseVersion     = 3
	parallelVersion     = 4
	streamingOff        = "off"
	streamingOn         = "on"
	streamParallel      = "parallel"
	originNone          = "none"
	originAny           = "any"
	featureNotSupported = "0A000"
	invalidParameter    = "22023"
)

func parseSettings(options []option) (*settings, error) {
	s := &settings{}
	seen := map[string]bool{}
	streaming, twoPhase := streamingOff, false
	for _, o := range options {
		if seen[o.name] {
			return nil, errorf("42601", "conflicting or redundant options")
		}
		seen[o.name] = true
		var err error
		switch o.name {
		case "proto_version":
			err = s.setVersion(o.value)
		case "publication_names":
			s.publications, err = splitNames(o.value)
		case "binary":
			s.binary, err = boolean(o)
		case "messages":
			s.messages, err = boolean(o)
		case "streaming":
			streaming, err = streamingMode(o)
		case "two_phase":
			twoPhase, err = boolean(o)
		case "origin":
			switch lower(o.value) {
			case originNone:
				s.localOnly = true
			case originAny:
			default:
				err = errorf(invalidParameter, "unrecognized origin value: \"%s\"", o.value)
			}
		default:
			err = errorf("XX000", "unrecognized pgoutput option: %s", o.name)
		}
		if err != nil {
			return nil, err
		}
	}
	for _, name := range [...]string{"proto_version", "publication_names"} {
		if !seen[name] {
			return nil, errorf(invalidParameter, "option \"%s\" missing", name)
		}
	}
	return s, s.check(streaming, twoPhase)
}

// check refuses what a version does not have (pgoutput_startup).
func (s *settings) check(streaming string, twoPhase bool) error {
	switch {
	case s.version > maxVersion:
		return errorf(featureNotSupported, "client sent proto_version=%d but server only supports protocol %d or lower", s.version, maxVersion)
	case s.version < minVersion:
		return errorf(featureNotSupported, "client sent proto_version=%d but server only supports protocol %d or higher", s.version, minVersion)
	case streaming == streamingOn && s.version < streamVersion:
		return errorf(invalidParameter, "requested proto_version=%d does not support streaming, need %d or higher", s.version, streamVersion)
	case streaming == streamParallel && s.version < parallelVersion:
		return errorf(invalidParameter, "requested proto_version=%d does not support parallel streaming, need %d or higher", s.version, parallelVersion)
	case twoPhase && s.version < twoPhaseVersion:
		return errorf(invalidParameter, "requested proto_version=%d does not support two-phase commit, need %d or higher", s.version, twoPhaseVersion)
	}
	return nil
}

func (s *settings) setVersion(text string) error {
	n, err := strconv.ParseUint(text, 10, 64)
	switch {
	case err != nil:
		return errorf(invalidParameter, "invalid proto_version")
	case n > 1<<32-1:
		return errorf(invalidParameter, "proto_version \"%s\" out of range", text)
	}
	s.version = int(n)
	return nil
}

// boolean is defGetBoolean: an option without a value is true.
func boolean(o option) (bool, error) {
	if o.absent {
		return true, nil
	}
	switch lower(o.value) {
	case "true", "on", "1":
		return true, nil
	case "false", "off", "0":
		return false, nil
	}
	return false, errorf("42601", "%s requires a Boolean value", o.name)
}

// streamingMode is defGetStreamingMode.
func streamingMode(o option) (string, error) {
	if lower(o.value) == streamParallel {
		return streamParallel, nil
	}
	on, err := boolean(o)
	switch {
	case err != nil:
		return "", errorf("42601", "%s requires a Boolean value or \"parallel\"", o.name)
	case on:
		return streamingOn, nil
	}
	return streamingOff, nil
}

// splitNames is SplitIdentifierString: names with commas between them, quoted or
// folded to lower case.
func splitNames(list string) ([]string, error) {
	bad := errorf("42602", "invalid publication_names syntax")
	const space = " \t\n\r\f\v"
	var names []string
	rest := strings.Trim(list, space)
	if rest == "" {
		return nil, nil
	}
	for {
		var name string
		if rest != "" && rest[0] == '"' {
			s := scanner{rest: rest}
			t := s.next()
			if t.kind != tokenName {
				return nil, bad
			}
			name, rest = t.text, s.rest
		} else {
			n := strings.IndexAny(rest, space+",")
			if n < 0 {
				n = len(rest)
			}
			if n == 0 {
				return nil, bad
			}
			name, rest = truncate(lower(rest[:n])), rest[n:]
		}
		names = append(names, name)
		rest = strings.TrimLeft(rest, space)
		if rest == "" {
			return names, nil
		}
		if rest[0] != ',' {
			return nil, bad
		}
		rest = strings.TrimLeft(rest[1:], space)
	}
}

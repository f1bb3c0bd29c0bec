package main

import (
	"os"
	"time"

	"github.com/rs/zerolog"
	"golang.org/x/term"
)

// logFlags choose how events are written to standard error.
type logFlags struct {
	LogFormat string `env:"HOWDAH_LOG_FORMAT" enum:"console,json" default:"console" help:"How the log is written: console or json."`
	LogLevel  string `env:"HOWDAH_LOG_LEVEL" enum:"debug,info,warn,error" default:"${log_level}" help:"What is logged: debug, info, warn or error, and above."`
}

func (f *logFlags) logger() zerolog.Logger {
	level, err := zerolog.ParseLevel(f.LogLevel)
	if err != nil { // kong lets only the names above through
		level = zerolog.InfoLevel
	}
	if f.LogFormat == "json" {
		zerolog.TimeFieldFormat = time.RFC3339Nano
		return zerolog.New(os.Stderr).Level(level).With().Timestamp().Logger()
	}
	console := zerolog.ConsoleWriter{Out: os.Stderr, NoColor: !stderrIsTerminal(), TimeFormat: time.TimeOnly}
	return zerolog.New(console).Level(level).With().Timestamp().Logger()
}

func stderrIsTerminal() bool { return term.IsTerminal(int(os.Stderr.Fd())) }

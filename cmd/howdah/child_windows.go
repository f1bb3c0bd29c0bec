package main

import "os"

var passedOn = []os.Signal{os.Interrupt}

// fromKeyboard is always true: the console tells every process attached to it.
func fromKeyboard(os.Signal) bool { return true }

func exitStatus(p *os.ProcessState) int { return p.ExitCode() }

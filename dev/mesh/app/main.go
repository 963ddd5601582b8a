// mesh-app stands in for the servers of an ML platform and for their clients where tests run real Envoys.
//
// `mesh-app serve` answers HTTP, gRPC and WebSocket as it is told and keeps what it saw; `mesh-app call` sends requests
// and prints what came back, and when. `mesh-app certificate` makes what servers of TLS need.
package main

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"syscall"
)

const usage = `mesh-app serve --name NAME --socket PATH --port P [--port P]... [--tls-port P]... [--certificates PATH]
               [--mutual] [--model ID] [--grace S]
mesh-app call [flags] URL
mesh-app certificate --folder PATH --host NAME [--host NAME]...
`

const descriptors = 65536

func main() {
	if len(os.Args) < 2 {
		fmt.Fprint(os.Stderr, usage)
		os.Exit(2)
	}
	raiseDescriptors()
	run := map[string]func([]string) error{"serve": serve, "call": call, "certificate": certificate}[os.Args[1]]
	if run == nil {
		fmt.Fprint(os.Stderr, usage)
		os.Exit(2)
	}
	err := run(os.Args[2:])
	var wrong wrongUsage
	switch {
	case err == nil || errors.Is(err, flag.ErrHelp):
	case errors.As(err, &wrong):
		fmt.Fprintf(os.Stderr, "mesh-app %s: %s\n", os.Args[1], err)
		os.Exit(2)
	default:
		fmt.Fprintf(os.Stderr, "mesh-app %s: %s\n", os.Args[1], err)
		os.Exit(1)
	}
}

// wrongUsage is what makes the exit code 2.
type wrongUsage string

func (w wrongUsage) Error() string { return string(w) }

// parse reads flags; what package flag says of a wrong one is already on standard error then.
func parse(flags *flag.FlagSet, arguments []string) error {
	err := flags.Parse(arguments)
	if err != nil && !errors.Is(err, flag.ErrHelp) {
		return wrongUsage("see above")
	}
	return err
}

// raiseDescriptors lifts the hard limit where the kernel lets us; Go itself lifts the soft one up to it.
func raiseDescriptors() {
	var limit syscall.Rlimit
	if syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit) == nil && limit.Cur < descriptors {
		limit.Cur, limit.Max = descriptors, max(limit.Max, descriptors)
		_ = syscall.Setrlimit(syscall.RLIMIT_NOFILE, &limit)
	}
}

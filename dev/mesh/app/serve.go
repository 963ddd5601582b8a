package main

import (
	"context"
	"crypto/tls"
	"flag"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/signal"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
	"google.golang.org/grpc"
)

// An app is one server; everything that it keeps is in its ledger.
type app struct {
	ledger
	name, model string
	grpc        *grpc.Server
}

type connectionKey struct{}

// ports are the values of a repeated flag.
type ports []int

func (p *ports) String() string { return fmt.Sprint(*p) }

func (p *ports) Set(text string) error {
	port, err := strconv.ParseUint(text, 10, 16)
	*p = append(*p, int(port))
	return err
}

func serve(arguments []string) error {
	var listen, secure ports
	flags := flag.NewFlagSet("serve", flag.ContinueOnError)
	name := flags.String("name", "", "what the app calls itself")
	socket := flags.String("socket", "", "path of the Unix socket that controls it")
	model := flags.String("model", "", "the model that it pretends to serve (its name if absent)")
	grace := flags.Float64("grace", 0, "seconds that requests in flight get after SIGTERM")
	certificates := flags.String("certificates", "", "folder of what `mesh-app certificate` wrote, for --tls-port")
	mutual := flags.Bool("mutual", false, "ask callers of --tls-port for a certificate too")
	flags.Var(&listen, "port", "TCP port (repeatable)")
	flags.Var(&secure, "tls-port", "TCP port that speaks TLS (repeatable)")
	if err := parse(flags, arguments); err != nil {
		return err
	}
	if *name == "" || *socket == "" || len(listen)+len(secure) == 0 || flags.NArg() > 0 {
		return wrongUsage("--name, --socket and --port or --tls-port are needed")
	}
	if *model == "" {
		*model = *name
	}
	stop, done := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	defer done()
	a := &app{name: *name, model: *model}
	a.standing = []behaviour{normal()}
	a.grpc = a.grpcServer()
	control, err := listenControl(*socket)
	if err != nil {
		return err
	}
	defer os.Remove(*socket)
	listeners := []net.Listener{}
	for index, port := range append(listen, secure...) {
		listener, err := net.Listen("tcp4", fmt.Sprintf("0.0.0.0:%d", port))
		if err != nil {
			return err
		}
		if index >= len(listen) {
			config, err := serverTLS(*certificates, *mutual)
			if err != nil {
				return err
			}
			listener = tls.NewListener(listener, config)
		}
		listeners = append(listeners, listener)
	}
	failed := make(chan error, len(listeners)+1)
	go func() { failed <- http.Serve(control, a.control()) }()
	server := a.server()
	for _, listener := range listeners {
		go func() { failed <- server.Serve(listener) }()
	}
	fmt.Printf("%s listens on %v\n", a.name, listen)
	select {
	case err := <-failed:
		return err
	case <-stop.Done():
	}
	ended, cancel := context.WithTimeout(context.Background(), time.Duration(*grace*float64(time.Second)))
	defer cancel()
	if *grace > 0 {
		_ = server.Shutdown(ended)
	}
	return nil
}

func (a *app) server() *http.Server {
	protocols := new(http.Protocols)
	protocols.SetHTTP1(true)
	protocols.SetHTTP2(true)
	protocols.SetUnencryptedHTTP2(true)
	return &http.Server{
		Handler:   a,
		Protocols: protocols,
		// More than any test sends, so that limits that are met are the mesh's.
		HTTP2: &http.HTTP2Config{MaxConcurrentStreams: 100_000},
		ConnContext: func(ctx context.Context, connection net.Conn) context.Context {
			a.connected()
			return context.WithValue(ctx, connectionKey{}, connection)
		},
	}
}

// listenControl opens the socket for everybody: callers run as other users than the app.
func listenControl(path string) (net.Listener, error) {
	if err := os.Remove(path); err != nil && !os.IsNotExist(err) {
		return nil, err
	}
	listener, err := net.Listen("unix", path)
	if err != nil {
		return nil, err
	}
	return listener, os.Chmod(path, 0o666)
}

// An exchange is one request and what becomes of it. It records the status that is written through it.
type exchange struct {
	http.ResponseWriter
	app     *app
	r       *http.Request
	told    behaviour
	begun   time.Time
	entry   request
	aborted bool
	once    sync.Once
}

func (x *exchange) WriteHeader(status int) {
	if x.entry.Status == 0 {
		x.entry.Status = status
	}
	x.ResponseWriter.WriteHeader(status)
}

func (x *exchange) Write(data []byte) (int, error) {
	if x.entry.Status == 0 {
		x.entry.Status = http.StatusOK
	}
	n, err := x.ResponseWriter.Write(data)
	x.aborted = x.aborted || err != nil
	return n, err
}

func (x *exchange) Flush() {
	if x.entry.Status == 0 {
		x.entry.Status = http.StatusOK
	}
	_ = http.NewResponseController(x.ResponseWriter).Flush()
}

// keep enters the request into the ledger, once. Where an answer has an end that callers can see, it is called before
// that is sent, so that whoever has an answer also finds the request.
func (x *exchange) keep() {
	x.once.Do(func() {
		x.entry.Seconds = time.Since(x.begun).Seconds()
		x.entry.Aborted = x.aborted || x.r.Context().Err() != nil
		x.app.end(x.entry)
	})
}

// wait is false if the caller hung up meanwhile.
func (x *exchange) wait(duration time.Duration) bool {
	if duration > 0 {
		timer := time.NewTimer(duration)
		defer timer.Stop()
		select {
		case <-timer.C:
		case <-x.r.Context().Done():
		}
	}
	return x.r.Context().Err() == nil
}

// reset ends the TCP connection with RST, after what was flushed has arrived, and never returns.
func (x *exchange) reset() {
	x.keep()
	connection := bare(x.r.Context().Value(connectionKey{}).(net.Conn))
	if x.entry.Status != 0 || x.r.ProtoMajor == 2 {
		// Linger 0 throws away what is still to be sent.
		raw, err := connection.SyscallConn()
		check(err)
		for range 500 {
			waiting := 0
			_ = raw.Control(func(fd uintptr) { waiting, _ = unix.IoctlGetInt(int(fd), unix.SIOCOUTQ) })
			if waiting == 0 {
				break
			}
			time.Sleep(10 * time.Millisecond)
		}
		// For the caller to read it; of HTTP/2 its settings too, else it may meet the RST while it writes its own.
		time.Sleep(50 * time.Millisecond)
	}
	_ = connection.SetLinger(0)
	_ = connection.Close()
	panic(http.ErrAbortHandler)
}

// bare is the TCP connection below TLS, if there is any.
func bare(connection net.Conn) *net.TCPConn {
	if wrapped, ok := connection.(*tls.Conn); ok {
		connection = wrapped.NetConn()
	}
	return connection.(*net.TCPConn)
}

// flat gives header names in lower case, and one text for several values.
func flat(headers http.Header) map[string]string {
	all := make(map[string]string, len(headers)+2)
	for name, values := range headers {
		all[strings.ToLower(name)] = strings.Join(values, ", ")
	}
	return all
}

func check(err error) {
	if err != nil {
		panic(err)
	}
}

package main

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"flag"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// A caller holds what is the same for all its requests.
type caller struct {
	url            *url.URL
	method, host   string
	headers        http.Header
	body           string
	timeout        time.Duration
	interval       time.Duration
	messages       int
	newConnections bool
	http10, h2c    bool
	grpc           string
	websocket      bool
	shared         *http.Transport // of HTTP/2: one connection for all
	secure         *tls.Config     // nil without TLS
}

// A summary counts instead of telling each response.
type summary struct {
	Seconds      float64        `json:"seconds"`
	Statuses     map[string]int `json:"statuses"`
	Names        map[string]int `json:"names"`
	Errors       map[string]int `json:"errors"`
	GRPCStatuses map[string]int `json:"grpc_statuses"`
}

func call(arguments []string) error {
	c := &caller{headers: http.Header{"User-Agent": {"mesh-app"}}}
	flags := flag.NewFlagSet("call", flag.ContinueOnError)
	count := flags.Int("count", 1, "how many requests")
	concurrency := flags.Int("concurrency", 1, "how many of them at once")
	timeout := flags.Float64("timeout", 20, "seconds for each request with its whole answer")
	interval := flags.Float64("interval", 0, "seconds between messages")
	short := flags.Bool("summary", false, "count instead of telling each response")
	flags.StringVar(&c.method, "method", "", "method (GET; POST with --body)")
	flags.Func("header", "'Name: value' (repeatable); Host sets the authority", c.addHeader)
	flags.StringVar(&c.body, "body", "", "request body, or text of each message")
	bodyBytes := flags.Int("body-bytes", 0, "instead of --body: a request body of so many bytes")
	flags.IntVar(&c.messages, "messages", 0, "messages to send (--websocket: 1; --grpc: a stream of so many)")
	flags.BoolVar(&c.newConnections, "new-connections", false, "a new connection for each request")
	flags.BoolVar(&c.http10, "http10", false, "HTTP/1.0")
	flags.BoolVar(&c.h2c, "h2c", false, "HTTP/2 without TLS, by prior knowledge")
	flags.StringVar(&c.grpc, "grpc", "", "/package.Service/Method to call, unary without --messages")
	authority := flags.String("ca", "", "file of the authority to trust, for https://")
	flags.BoolVar(&c.websocket, "websocket", false, "send messages over a WebSocket and await the echo of each")
	if err := parse(flags, arguments); err != nil {
		return err
	}
	c.timeout = time.Duration(*timeout * float64(time.Second))
	c.interval = time.Duration(*interval * float64(time.Second))
	if *bodyBytes > 0 {
		c.body = strings.Repeat("x", *bodyBytes)
	}
	if err := c.complete(flags, *count, *concurrency); err != nil {
		return err
	}
	if c.url.Scheme == "https" {
		authorities, err := pool(*authority)
		if err != nil {
			return err
		}
		name, _, _ := strings.Cut(c.host, ":")
		c.secure = &tls.Config{RootCAs: authorities, ServerName: name}
	}
	report := c.run(*count, *concurrency, *short)
	return json.NewEncoder(os.Stdout).Encode(report)
}

func (c *caller) addHeader(text string) error {
	name, value, found := strings.Cut(text, ":")
	if !found || name == "" {
		return fmt.Errorf("not 'Name: value'")
	}
	value = strings.TrimSpace(value)
	if strings.EqualFold(name, "host") {
		c.host = value
		return nil
	}
	if strings.EqualFold(name, "user-agent") {
		c.headers.Del(name)
	}
	c.headers.Add(name, value)
	return nil
}

func (c *caller) complete(flags *flag.FlagSet, count, concurrency int) (err error) {
	if flags.NArg() != 1 {
		return wrongUsage("one URL is needed, after the flags")
	}
	c.url, err = url.Parse(flags.Arg(0))
	if err != nil || (c.url.Scheme != "http" && c.url.Scheme != "https") || c.url.Host == "" {
		return wrongUsage(fmt.Sprintf("%q is not an http:// or https:// URL", flags.Arg(0)))
	}
	if c.url.Scheme == "https" && (c.h2c || c.grpc != "" || c.websocket) {
		return wrongUsage("https:// is for HTTP/1")
	}
	if count < 1 || concurrency < 1 || c.timeout <= 0 || c.interval < 0 || c.messages < 0 {
		return wrongUsage("--count, --concurrency and --timeout begin above 0, --interval and --messages at 0")
	}
	protocols := 0
	for _, chosen := range []bool{c.http10, c.h2c, c.grpc != "", c.websocket} {
		if chosen {
			protocols++
		}
	}
	if protocols > 1 {
		return wrongUsage("--http10, --h2c, --grpc and --websocket exclude each other")
	}
	if c.grpc != "" && (!strings.HasPrefix(c.grpc, "/") || strings.Count(c.grpc, "/") != 2) {
		return wrongUsage(fmt.Sprintf("--grpc: %q is not /package.Service/Method", c.grpc))
	}
	if c.url.Path == "" {
		c.url.Path = "/"
	}
	if c.host == "" {
		c.host = c.url.Host
	}
	withBody := false
	flags.Visit(func(set *flag.Flag) { withBody = withBody || strings.HasPrefix(set.Name, "body") })
	if c.method == "" {
		c.method = http.MethodGet
		if withBody {
			c.method = http.MethodPost
		}
	}
	if c.websocket {
		c.messages = max(c.messages, 1)
	}
	return nil
}

// message is the text of one of several messages.
func (c *caller) message(i int) string {
	if c.body != "" {
		return c.body
	}
	return fmt.Sprintf("message %d", i)
}

func (c *caller) run(count, concurrency int, short bool) any {
	begun := time.Now()
	c.shared = transport()
	responses := make([]*response, count)
	total := summary{Statuses: map[string]int{}, Names: map[string]int{},
		Errors: map[string]int{}, GRPCStatuses: map[string]int{}}
	var mu sync.Mutex
	var next atomic.Int64
	var workers sync.WaitGroup
	for range min(concurrency, count) {
		workers.Go(func() {
			var own connection
			defer own.close()
			for i := next.Add(1) - 1; i < int64(count); i = next.Add(1) - 1 {
				got := c.one(&own)
				if !short {
					responses[i] = got
					continue
				}
				mu.Lock()
				total.add(got)
				mu.Unlock()
			}
		})
	}
	workers.Wait()
	total.Seconds = time.Since(begun).Seconds()
	if short {
		return total
	}
	return map[string]any{"seconds": total.Seconds, "responses": responses}
}

func (c *caller) one(own *connection) *response {
	got := newResponse()
	ctx, cancel := context.WithTimeout(context.Background(), c.timeout)
	defer cancel()
	var err error
	switch {
	case c.websocket:
		err = c.webSocket(ctx, got)
	case c.grpc != "":
		err = c.callGRPC(ctx, got)
	case c.h2c:
		err = c.http2(ctx, got)
	default:
		err = own.http1(c, got)
	}
	if err != nil && ctx.Err() != nil {
		err = ctx.Err() // whatever it broke first
	}
	got.finish(err)
	return got
}

func (s *summary) add(got *response) {
	s.Statuses[strconv.Itoa(got.Status)]++
	if name := got.name(); name != "" {
		s.Names[name]++
	}
	if got.Error != "" {
		s.Errors[got.Error]++
	}
	if got.GRPCStatus >= 0 {
		s.GRPCStatuses[strconv.Itoa(got.GRPCStatus)]++
	}
}

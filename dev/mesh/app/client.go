package main

import (
	"bufio"
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// A connection of HTTP/1. It is written by hand, since net/http's client sends a request that failed on a used
// connection again, which would falsify what servers count, and speaks no HTTP/1.0.
type connection struct {
	net.Conn
	reader *bufio.Reader
}

func (o *connection) close() {
	if o.Conn != nil {
		_ = o.Close()
		o.Conn = nil
	}
}

func (o *connection) http1(c *caller, got *response) error {
	deadline := got.begun.Add(c.timeout)
	if o.Conn == nil {
		opened, err := (&net.Dialer{Deadline: deadline}).Dial("tcp", address(c.url))
		if err != nil {
			return err
		}
		if c.secure != nil {
			opened = tls.Client(opened, c.secure)
		}
		o.Conn, o.reader = opened, bufio.NewReader(opened)
	}
	keep := false
	defer func() {
		if !keep {
			o.close()
		}
	}()
	_ = o.SetDeadline(deadline)
	_, failed := io.WriteString(o.Conn, c.text())
	// A server may answer before it has read everything, and close: its answer counts.
	answer, err := o.answer(c.method)
	if err != nil {
		if failed != nil {
			return failed
		}
		return err
	}
	got.answered(answer)
	err = got.read(answer.Body)
	keep = err == nil && failed == nil && !answer.Close && !c.newConnections && !c.http10
	return err
}

func (o *connection) answer(method string) (*http.Response, error) {
	for {
		answer, err := http.ReadResponse(o.reader, &http.Request{Method: method})
		if err != nil || answer.StatusCode >= 200 {
			return answer, err
		}
	}
}

// text is the request as it goes over HTTP/1.
func (c *caller) text() string {
	version := "1.1"
	if c.http10 {
		version = "1.0"
	}
	var text strings.Builder
	fmt.Fprintf(&text, "%s %s HTTP/%s\r\nHost: %s\r\n", c.method, c.url.RequestURI(), version, c.host)
	if c.newConnections && !c.http10 {
		text.WriteString("Connection: close\r\n")
	}
	if c.body != "" || c.method == http.MethodPost || c.method == http.MethodPut || c.method == http.MethodPatch {
		fmt.Fprintf(&text, "Content-Length: %d\r\n", len(c.body))
	}
	_ = c.headers.Write(&text)
	return text.String() + "\r\n" + c.body
}

func address(target *url.URL) string {
	port := target.Port()
	if port == "" {
		port = map[string]string{"http": "80", "https": "443"}[target.Scheme]
	}
	return net.JoinHostPort(target.Hostname(), port)
}

// transport speaks HTTP/2 by prior knowledge over one connection, as a gRPC channel does; a burst at its very beginning
// may open a few more.
func transport() *http.Transport {
	protocols := new(http.Protocols)
	protocols.SetUnencryptedHTTP2(true)
	return &http.Transport{Protocols: protocols, DisableCompression: true, MaxConnsPerHost: 1, IdleConnTimeout: time.Minute}
}

func (c *caller) http2(ctx context.Context, got *response) error {
	request, err := http.NewRequestWithContext(ctx, c.method, c.url.String(), strings.NewReader(c.body))
	if err != nil {
		return err
	}
	answer, err := c.roundTrip(request, got)
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	err = got.read(answer.Body)
	got.trailers(answer)
	return err
}

// roundTrip gets the headers of an answer over HTTP/2.
func (c *caller) roundTrip(request *http.Request, got *response) (*http.Response, error) {
	request.Host, request.Header = c.host, c.headers.Clone()
	if c.grpc != "" {
		request.Header.Set("Content-Type", "application/grpc")
		request.Header.Set("Te", "trailers")
	}
	through := c.shared
	if c.newConnections {
		through = transport()
		through.DisableKeepAlives = true
	}
	answer, err := through.RoundTrip(request)
	if err == nil {
		got.answered(answer)
	}
	return answer, err
}

func (r *response) trailers(answer *http.Response) {
	for name, value := range flat(answer.Trailer) {
		r.Headers[name] = value
	}
}

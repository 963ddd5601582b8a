package main

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"regexp"
	"strings"
	"time"
)

const (
	mostText = 4 << 10  // of a body in the report
	mostRead = 64 << 10 // of a body held to look for the app's name
)

// A response is what one request got.
type response struct {
	Status     int               `json:"status"` // 0: no HTTP answer
	Error      string            `json:"error"`
	Seconds    float64           `json:"seconds"`
	Protocol   string            `json:"protocol"`
	Headers    map[string]string `json:"headers"` // and trailers
	Body       string            `json:"body"`
	BodyBytes  int64             `json:"body_bytes"`
	Arrivals   []float64         `json:"arrivals"` // seconds since this request was begun
	Cut        bool              `json:"cut"`
	GRPCStatus int               `json:"grpc_status"`

	begun time.Time
	held  []byte
}

func newResponse() *response {
	return &response{Headers: map[string]string{}, Arrivals: []float64{}, GRPCStatus: -1, begun: time.Now()}
}

func (r *response) answered(answer *http.Response) {
	r.Status, r.Protocol, r.Headers = answer.StatusCode, answer.Proto, flat(answer.Header)
}

func (r *response) arrived() {
	r.Arrivals = append(r.Arrivals, time.Since(r.begun).Seconds())
}

func (r *response) hold(data []byte) {
	r.BodyBytes += int64(len(data))
	r.held = append(r.held, data[:min(len(data), mostRead-len(r.held))]...)
}

// message enters one message of a stream; in the body each ends with a newline, which is not counted.
func (r *response) message(data []byte) {
	r.arrived()
	r.hold(data)
	if len(r.held) < mostRead {
		r.held = append(r.held, '\n')
	}
}

// read reads a body to its end, and notes when each server-sent event ended.
func (r *response) read(body io.Reader) error {
	events := strings.HasPrefix(r.Headers["content-type"], "text/event-stream")
	buffer := make([]byte, 16<<10)
	line, lines := 0, 0 // bytes of the line, and lines of the event, that have come
	for {
		n, err := body.Read(buffer)
		r.hold(buffer[:n])
		for _, character := range buffer[:n] {
			switch {
			case !events || character == '\r':
			case character != '\n':
				line++
			case line > 0:
				line, lines = 0, lines+1
			case lines > 0:
				lines = 0
				r.arrived()
			}
		}
		if err == io.EOF {
			return nil
		}
		if err != nil {
			r.Cut = true
			return err
		}
	}
}

func (r *response) finish(err error) {
	r.Seconds = time.Since(r.begun).Seconds()
	r.Error = plain(err)
	r.Body = strings.ToValidUTF8(string(r.held[:min(len(r.held), mostText)]), "\uFFFD")
}

// name is the app that answered: as its JSON body says, else as its header does.
func (r *response) name() string {
	var body struct {
		Name string `json:"name"`
	}
	if json.Unmarshal(r.held, &body) == nil && body.Name != "" {
		return body.Name
	}
	return r.Headers["x-app-name"]
}

var streamID = regexp.MustCompile(`stream ID \d+; `)

// plain says an error without what differs from call to call (addresses, ports, numbers of streams).
func plain(err error) string {
	var timeout net.Error
	var name *net.DNSError
	var operation *net.OpError
	switch {
	case err == nil:
		return ""
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, os.ErrDeadlineExceeded),
		errors.As(err, &timeout) && timeout.Timeout():
		return "timeout"
	case errors.As(err, &name):
		return name.Err
	case errors.As(err, &operation):
		cause := operation.Err
		var system *os.SyscallError
		if errors.As(cause, &system) {
			cause = system.Err
		}
		return operation.Op + ": " + cause.Error()
	}
	for cause := err; cause != nil; cause = errors.Unwrap(cause) {
		err = cause
	}
	return streamID.ReplaceAllString(err.Error(), "")
}

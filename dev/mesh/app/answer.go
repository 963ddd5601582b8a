package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"time"
)

const defaultTokens = 16

// echo is the answer to any path.
type echo struct {
	Name      string            `json:"name"`
	Method    string            `json:"method"`
	Path      string            `json:"path"`
	Query     string            `json:"query"`
	Protocol  string            `json:"protocol"`
	Headers   map[string]string `json:"headers"`
	BodyBytes int64             `json:"body_bytes"`
	Model     string            `json:"model"`
}

// asked is what a JSON body may ask for.
type asked struct {
	Model     string `json:"model"`
	Stream    bool   `json:"stream"`
	MaxTokens *int   `json:"max_tokens"`
}

func (a *app) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Method == http.MethodGet && r.URL.Path == "/metrics" {
		a.metrics(w)
		return
	}
	headers := flat(r.Header)
	headers["host"] = r.Host
	if len(r.TransferEncoding) > 0 {
		headers["transfer-encoding"] = strings.Join(r.TransferEncoding, ", ")
	}
	begun := time.Now()
	address, _ := r.Context().Value(http.LocalAddrContextKey).(*net.TCPAddr)
	x := &exchange{ResponseWriter: w, app: a, r: r, begun: begun, entry: request{
		At: float64(begun.UnixMicro()) / 1e6, Port: address.Port, Method: r.Method, Path: r.URL.EscapedPath(),
		Protocol: r.Proto, Headers: headers,
	}}
	text, toldItself := headers["x-do"]
	x.told = a.begin(toldItself)
	defer x.keep()
	w.Header().Set("X-App-Name", a.name)
	if toldItself {
		told, err := parseBehaviour(text, false)
		if err != nil {
			sendJSON(x, http.StatusBadRequest, map[string]any{"name": a.name, "error": "x-do: " + err.Error()})
			return
		}
		x.told = told
	}
	x.dispatch()
}

func (x *exchange) dispatch() {
	isGRPC := x.r.ProtoMajor == 2 && strings.HasPrefix(x.entry.Headers["content-type"], "application/grpc")
	isWebSocket := strings.EqualFold(x.entry.Headers["upgrade"], "websocket")
	var begin bytes.Buffer
	var length int64
	if !isGRPC && !isWebSocket {
		// Only with the body read does net/http notice that a caller of HTTP/1 hangs up.
		var err error
		length, err = io.Copy(&begin, io.LimitReader(x.r.Body, 1<<20))
		if err == nil {
			var rest int64
			rest, err = io.Copy(io.Discard, x.r.Body)
			length += rest
		}
		if err != nil {
			x.aborted = true
			return
		}
	}
	if !x.wait(x.told.delay) {
		return
	}
	if x.told.reset == "before" {
		x.reset()
	}
	switch {
	case isGRPC:
		x.answerGRPC()
	case isWebSocket && x.told.status < 0:
		x.answerWebSocket()
	default:
		x.answer(begin.Bytes(), length)
	}
}

func (x *exchange) answer(body []byte, length int64) {
	var want asked
	if bytes.HasPrefix(bytes.TrimSpace(body), []byte("{")) {
		_ = json.Unmarshal(body, &want) // what is no JSON asks for nothing
	}
	if want.Model == "" {
		want.Model = x.app.model
	}
	status := max(x.told.status, http.StatusOK)
	if want.Stream && x.told.tokens < 0 {
		x.told.tokens = defaultTokens
		if want.MaxTokens != nil {
			x.told.tokens = max(*want.MaxTokens, 0)
		}
	}
	switch {
	case x.told.body >= 0:
		x.send(status, "application/octet-stream", letters{}, int64(x.told.body))
	case x.told.tokens >= 0 && status == http.StatusOK:
		x.stream(want.Model)
	case x.r.Method == http.MethodGet && x.r.URL.Path == "/v1/models":
		x.sendValue(status, map[string]any{"object": "list", "data": []any{
			map[string]any{"id": x.app.model, "object": "model", "created": 0, "owned_by": x.app.name}}})
	default:
		x.sendValue(status, echo{Name: x.app.name, Method: x.r.Method, Path: x.entry.Path, Query: x.r.URL.RawQuery,
			Protocol: x.r.Proto, Headers: x.entry.Headers, BodyBytes: length, Model: want.Model})
	}
}

func (x *exchange) sendValue(status int, value any) {
	text, err := json.Marshal(value)
	check(err)
	text = append(text, '\n')
	x.send(status, "application/json", bytes.NewReader(text), int64(len(text)))
}

func (x *exchange) send(status int, kind string, body io.Reader, length int64) {
	if status == http.StatusNoContent || status == http.StatusNotModified {
		x.WriteHeader(status)
		return
	}
	x.Header().Set("Content-Type", kind)
	x.Header().Set("Content-Length", strconv.FormatInt(length, 10))
	x.WriteHeader(status)
	if x.told.reset == "after" {
		_, _ = io.CopyN(x, body, length/2)
		x.Flush()
		x.reset()
	}
	if x.r.Method == http.MethodHead || length == 0 {
		return
	}
	if _, err := io.CopyN(x, body, length-1); err == nil {
		x.keep()
		_, _ = io.CopyN(x, body, 1)
	}
}

// stream sends server-sent events as a server of language models does.
func (x *exchange) stream(model string) {
	x.Header().Set("Content-Type", "text/event-stream")
	x.Header().Set("Cache-Control", "no-cache")
	x.WriteHeader(http.StatusOK)
	x.Flush()
	for i := range x.told.tokens {
		if x.told.reset == "after" && i >= x.told.tokens/2 {
			x.reset()
		}
		pause := x.told.interval
		if i == 0 {
			pause = x.told.first
		}
		if !x.wait(pause) {
			return
		}
		token, err := json.Marshal(map[string]any{"name": x.app.name, "model": model, "index": i, "choices": []any{
			map[string]any{"index": 0, "delta": map[string]any{"content": fmt.Sprintf("token%d ", i)}}}})
		check(err)
		fmt.Fprintf(x, "data: %s\n\n", token)
		x.Flush()
	}
	if x.told.reset == "after" {
		x.reset()
	}
	x.keep()
	fmt.Fprint(x, "data: [DONE]\n\n")
}

// metrics are vLLM's gauges, as the endpoint picker of the Gateway API Inference Extension reads them.
func (a *app) metrics(w http.ResponseWriter) {
	a.mu.Lock()
	waiting, running, kv := max(a.standing[0].waiting, 0), a.standing[0].running, a.standing[0].kv
	if running < 0 {
		running = a.inFlight
	}
	a.mu.Unlock()
	w.Header().Set("Content-Type", "text/plain; version=0.0.4; charset=utf-8")
	gauge := func(name, labels string, value any) {
		fmt.Fprintf(w, "# TYPE vllm:%s gauge\nvllm:%s{%s} %v\n", name, name, labels, value)
	}
	model := fmt.Sprintf("model_name=%q", a.model)
	gauge("num_requests_waiting", model, waiting)
	gauge("num_requests_running", model, running)
	gauge("kv_cache_usage_perc", model, kv)
	// Its value is when it was set, in Unix seconds: of several series the picker takes the newest.
	gauge("lora_requests_info", `max_lora="0",running_lora_adapters="",waiting_lora_adapters=""`,
		strconv.FormatFloat(float64(time.Now().UnixMilli())/1e3, 'f', 3, 64))
	gauge("cache_config_info", `block_size="16",num_gpu_blocks="1000"`, 1)
}

// letters is a body without end.
type letters struct{}

func (letters) Read(data []byte) (int, error) {
	for i := range data {
		data[i] = 'a' + byte(i%26)
	}
	return len(data), nil
}

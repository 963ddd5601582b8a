package main

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"sync"
)

// Bounds of what is kept: requests (and as many spans), and bytes of both.
const (
	mostKept  = 200_000
	mostBytes = 512 << 20
)

// A request that was answered or ended otherwise, as the control socket tells it.
type request struct {
	At       float64           `json:"at"` // Unix seconds
	Port     int               `json:"port"`
	Method   string            `json:"method"`
	Path     string            `json:"path"`
	Protocol string            `json:"protocol"`
	Status   int               `json:"status"` // 0: no answer was begun
	Seconds  float64           `json:"seconds"`
	Aborted  bool              `json:"aborted"` // the caller hung up first
	Headers  map[string]string `json:"headers"`
}

// A ledger keeps what a server saw, and how it is to behave.
type ledger struct {
	mu                                sync.Mutex
	requests, spans                   [][]byte // each as JSON: small, and cheap for the garbage collector
	bytes                             int
	full                              bool
	inFlight, maxInFlight, connection int
	standing                          []behaviour // the first is in force; never empty
}

func (l *ledger) connected() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.connection++
}

// begin counts a request in and gives the standing behaviour if it is to meet that.
func (l *ledger) begin(toldItself bool) behaviour {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.inFlight++
	l.maxInFlight = max(l.maxInFlight, l.inFlight)
	if toldItself {
		return normal()
	}
	standing := l.standing[0]
	if len(l.standing) > 1 {
		l.standing = l.standing[1:]
	}
	return standing
}

func (l *ledger) end(entry request) {
	text, err := json.Marshal(entry)
	check(err)
	l.mu.Lock()
	defer l.mu.Unlock()
	l.inFlight--
	l.requests = l.kept(l.requests, text)
}

func (l *ledger) span(entry any) {
	text, err := json.Marshal(entry)
	check(err)
	l.mu.Lock()
	defer l.mu.Unlock()
	l.spans = l.kept(l.spans, text)
}

func (l *ledger) kept(list [][]byte, text []byte) [][]byte {
	if len(list) == mostKept || l.bytes+len(text) > mostBytes {
		l.full = true
		return list
	}
	l.bytes += len(text)
	return append(list, text)
}

func (l *ledger) reset() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.requests, l.spans, l.bytes, l.full = nil, nil, 0, false
	l.maxInFlight, l.connection = l.inFlight, 0
}

// control is what the Unix socket serves.
func (a *app) control() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) {
		sendJSON(w, http.StatusOK, map[string]any{"name": a.name, "ok": true})
	})
	mux.HandleFunc("GET /requests", a.tell)
	mux.HandleFunc("DELETE /requests", func(w http.ResponseWriter, _ *http.Request) {
		a.reset()
		w.WriteHeader(http.StatusNoContent)
	})
	mux.HandleFunc("PUT /behaviour", func(w http.ResponseWriter, r *http.Request) {
		text, err := io.ReadAll(io.LimitReader(r.Body, 1<<16))
		check(err)
		told, err := parseStanding(string(text))
		if err != nil {
			sendJSON(w, http.StatusBadRequest, map[string]any{"error": err.Error()})
			return
		}
		a.mu.Lock()
		a.standing = told
		a.mu.Unlock()
		w.WriteHeader(http.StatusNoContent)
	})
	return mux
}

func (a *app) tell(w http.ResponseWriter, _ *http.Request) {
	a.mu.Lock()
	requests, spans, full := a.requests, a.spans, a.full
	counts := fmt.Sprintf(`"in_flight":%d,"max_in_flight":%d,"connections":%d`, a.inFlight, a.maxInFlight, a.connection)
	a.mu.Unlock()
	if full {
		sendJSON(w, http.StatusInsufficientStorage, map[string]any{"error": fmt.Sprintf(
			"more came than is kept (%d requests, %d spans, %d bytes); DELETE /requests begins anew", mostKept, mostKept, mostBytes)})
		return
	}
	name, err := json.Marshal(a.name)
	check(err)
	w.Header().Set("Content-Type", "application/json")
	fmt.Fprintf(w, `{"name":%s,%s,"requests":[`, name, counts)
	writeList(w, requests)
	fmt.Fprint(w, `],"spans":[`)
	writeList(w, spans)
	fmt.Fprintln(w, "]}")
}

func writeList(w io.Writer, list [][]byte) {
	for i, text := range list {
		if i > 0 {
			_, _ = w.Write([]byte(","))
		}
		_, _ = w.Write(text)
	}
}

func sendJSON(w http.ResponseWriter, status int, value any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(value)
}

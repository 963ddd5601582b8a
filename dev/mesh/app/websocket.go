package main

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"time"

	"github.com/coder/websocket"
)

// answerWebSocket echoes each message, after the app's name, until the caller closes.
func (x *exchange) answerWebSocket() {
	connection, err := websocket.Accept(x.ResponseWriter, x.r, &websocket.AcceptOptions{InsecureSkipVerify: true})
	if err != nil {
		x.entry.Status = http.StatusBadRequest // Accept has said why
		return
	}
	x.entry.Status = http.StatusSwitchingProtocols
	if x.told.reset == "after" {
		x.reset()
	}
	defer connection.CloseNow()
	connection.SetReadLimit(-1)
	for {
		kind, message, err := connection.Read(context.Background())
		if err == nil {
			err = connection.Write(context.Background(), kind, append([]byte(x.app.name+":"), message...))
		}
		if err != nil {
			x.aborted = websocket.CloseStatus(err) == -1
			return
		}
	}
}

// webSocket sends messages, and awaits the echo of each.
func (c *caller) webSocket(ctx context.Context, got *response) error {
	transport := &http.Transport{}
	defer transport.CloseIdleConnections()
	connection, answer, err := websocket.Dial(ctx, "ws"+strings.TrimPrefix(c.url.String(), "http"), &websocket.DialOptions{
		HTTPClient: &http.Client{Transport: transport}, HTTPHeader: c.headers, Host: c.host,
	})
	if answer != nil {
		got.answered(answer)
	}
	if err != nil {
		if answer != nil {
			got.read(answer.Body)
			return errors.New("not upgraded")
		}
		return err
	}
	defer connection.CloseNow()
	connection.SetReadLimit(-1)
	for i := range c.messages {
		if i > 0 {
			select {
			case <-time.After(c.interval):
			case <-ctx.Done():
			}
		}
		if err := connection.Write(ctx, websocket.MessageText, []byte(c.message(i))); err != nil {
			got.Cut = true
			return err
		}
		_, message, err := connection.Read(ctx)
		if err != nil {
			got.Cut = true
			return err
		}
		got.message(message)
	}
	return connection.Close(websocket.StatusNormalClosure, "")
}

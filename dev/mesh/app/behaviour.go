package main

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// A behaviour is what a request is to meet. Numbers are -1 where nothing is told.
type behaviour struct {
	status, body, tokens, grpc int
	delay, first, interval     time.Duration
	reset                      string // "before", "after" or ""

	// Of the standing behaviour alone.
	waiting, running int
	kv               float64
}

func normal() behaviour {
	return behaviour{status: -1, body: -1, tokens: -1, grpc: -1, waiting: -1, running: -1}
}

// parseBehaviour reads `status=503,delay=2.5`; "" is the normal behaviour.
func parseBehaviour(text string, standing bool) (behaviour, error) {
	told := normal()
	for part := range strings.SplitSeq(text, ",") {
		part = strings.TrimSpace(part)
		if part == "" {
			continue
		}
		key, value, _ := strings.Cut(part, "=")
		var err error
		switch key {
		case "status":
			told.status, err = whole(value, 200, 599)
		case "body":
			told.body, err = whole(value, 0, 1<<40)
		case "tokens":
			told.tokens, err = whole(value, 0, 1<<30)
		case "grpc":
			told.grpc, err = whole(value, 0, 1<<20)
		case "delay":
			told.delay, err = seconds(value)
		case "first":
			told.first, err = seconds(value)
		case "interval":
			told.interval, err = seconds(value)
		case "reset":
			told.reset = value
			if value != "before" && value != "after" {
				err = fmt.Errorf("%q is neither before nor after", value)
			}
		case "waiting", "running", "kv":
			if !standing {
				err = fmt.Errorf("is for the standing behaviour alone")
				break
			}
			err = told.stand(key, value)
		default:
			err = fmt.Errorf("is not known")
		}
		if err != nil {
			return normal(), fmt.Errorf("%s: %w", key, err)
		}
	}
	return told, nil
}

// parseStanding reads behaviours with `;` between them: one for each request to come, the last for all further ones.
func parseStanding(text string) ([]behaviour, error) {
	told := []behaviour{}
	for part := range strings.SplitSeq(text, ";") {
		one, err := parseBehaviour(part, true)
		if err != nil {
			return nil, err
		}
		told = append(told, one)
	}
	return told, nil
}

func (b *behaviour) stand(key, value string) (err error) {
	switch key {
	case "waiting":
		b.waiting, err = whole(value, 0, 1<<30)
	case "running":
		b.running, err = whole(value, 0, 1<<30)
	case "kv":
		b.kv, err = strconv.ParseFloat(value, 64)
	}
	return err
}

func whole(text string, least, most int) (int, error) {
	number, err := strconv.Atoi(text)
	if err != nil || number < least || number > most {
		return -1, fmt.Errorf("%q is not a whole number from %d to %d", text, least, most)
	}
	return number, nil
}

func seconds(text string) (time.Duration, error) {
	number, err := strconv.ParseFloat(text, 64)
	if err != nil || !(number >= 0 && number < 1e6) {
		return 0, fmt.Errorf("%q is not a number of seconds", text)
	}
	return time.Duration(number * float64(time.Second)), nil
}

package main

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"

	common "go.opentelemetry.io/proto/otlp/common/v1"
	trace "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	_ "google.golang.org/grpc/encoding/gzip" // exporters may compress
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
)

const (
	healthCheck = "/grpc.health.v1.Health/Check"
	traceExport = "/opentelemetry.proto.collector.trace.v1.TraceService/Export"
)

var serving = []byte{0x08, 0x01} // HealthCheckResponse{status: SERVING}

// rawCodec leaves messages as they are: the app knows no service.
type rawCodec struct{}

func (rawCodec) Name() string                         { return "raw" }
func (rawCodec) Marshal(value any) ([]byte, error)    { return *value.(*[]byte), nil }
func (rawCodec) Unmarshal(data []byte, out any) error { *out.(*[]byte) = bytes.Clone(data); return nil }

func (a *app) grpcServer() *grpc.Server {
	return grpc.NewServer(grpc.ForceServerCodec(rawCodec{}), grpc.UnknownServiceHandler(a.anyMethod))
}

// anyMethod echoes each message, of whichever method.
func (a *app) anyMethod(_ any, stream grpc.ServerStream) error {
	method, _ := grpc.MethodFromServerStream(stream)
	for {
		var message []byte
		err := stream.RecvMsg(&message)
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		switch method {
		case healthCheck:
			message = serving
		case traceExport:
			if err := a.export(message); err != nil {
				return status.Error(codes.InvalidArgument, err.Error())
			}
			message = nil
		}
		if err := stream.SendMsg(&message); err != nil {
			return err
		}
	}
}

// A span as the control socket tells it.
type span struct {
	Name       string            `json:"name"`
	Kind       string            `json:"kind"` // SERVER, CLIENT ...
	TraceID    string            `json:"trace_id"`
	Service    string            `json:"service"`
	Attributes map[string]string `json:"attributes"`
}

// export keeps the spans of an ExportTraceServiceRequest, which is a TracesData on the wire.
func (a *app) export(message []byte) error {
	var data trace.TracesData
	if err := proto.Unmarshal(message, &data); err != nil {
		return err
	}
	for _, resource := range data.ResourceSpans {
		service := attributes(resource.Resource.GetAttributes())["service.name"]
		for _, scope := range resource.ScopeSpans {
			for _, one := range scope.Spans {
				a.span(span{Name: one.Name, Kind: strings.TrimPrefix(one.Kind.String(), "SPAN_KIND_"),
					TraceID: hex.EncodeToString(one.TraceId), Service: service, Attributes: attributes(one.Attributes)})
			}
		}
	}
	return nil
}

func attributes(list []*common.KeyValue) map[string]string {
	all := make(map[string]string, len(list))
	for _, pair := range list {
		switch value := pair.Value.GetValue().(type) {
		case *common.AnyValue_StringValue:
			all[pair.Key] = value.StringValue
		case *common.AnyValue_IntValue:
			all[pair.Key] = strconv.FormatInt(value.IntValue, 10)
		case *common.AnyValue_BoolValue:
			all[pair.Key] = strconv.FormatBool(value.BoolValue)
		case *common.AnyValue_DoubleValue:
			all[pair.Key] = strconv.FormatFloat(value.DoubleValue, 'g', -1, 64)
		case nil:
			all[pair.Key] = ""
		default:
			all[pair.Key] = pair.Value.String()
		}
	}
	return all
}

func (x *exchange) answerGRPC() {
	switch {
	case x.told.status >= 0: // as a proxy answers that knows nothing of gRPC
		x.answer(nil, 0)
	case x.told.reset == "after":
		x.Header().Set("Content-Type", "application/grpc")
		x.Flush()
		x.reset()
	case x.told.grpc > 0:
		// Headers alone, as a gRPC server that fails at once sends them: Envoy retries by the status of these only, and
		// grpc.Server.ServeHTTP parts headers and trailers always. Unread messages would end the stream with RST_STREAM.
		read := make(chan struct{})
		go func() {
			_, _ = io.Copy(io.Discard, x.r.Body)
			close(read)
		}()
		select {
		case <-read:
		case <-time.After(100 * time.Millisecond):
		}
		x.Header().Set("Content-Type", "application/grpc")
		x.Header().Set("Grpc-Status", strconv.Itoa(x.told.grpc))
		x.Header().Set("Grpc-Message", "as told")
		x.WriteHeader(http.StatusOK)
	default:
		x.app.grpc.ServeHTTP(x, x.r)
	}
}

// callGRPC makes one call. It is written over HTTP/2 by hand, since gRPC's own client hides the HTTP status and headers,
// and retries. No deadline is sent (--header 'grpc-timeout: 5S' does): the timeout is the caller's own.
func (c *caller) callGRPC(ctx context.Context, got *response) error {
	var body io.Reader = bytes.NewReader(frame(c.body))
	ctx, over := context.WithCancel(ctx)
	defer over()
	if c.messages > 0 {
		reader, writer := io.Pipe()
		defer reader.Close()
		go c.write(ctx, writer)
		body = reader
	}
	target := *c.url
	target.Path, target.RawPath, target.RawQuery = c.grpc, "", ""
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, target.String(), body)
	if err != nil {
		return err
	}
	answer, err := c.roundTrip(request, got)
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	if !strings.HasPrefix(answer.Header.Get("Content-Type"), "application/grpc") {
		return got.read(answer.Body)
	}
	err = got.readMessages(answer.Body)
	got.trailers(answer)
	code, failed := strconv.Atoi(got.Headers["grpc-status"])
	if failed == nil {
		got.GRPCStatus = code
	}
	got.Cut = err != nil || failed != nil
	return err
}

func (c *caller) write(ctx context.Context, pipe *io.PipeWriter) {
	defer pipe.Close()
	for i := range c.messages {
		if i > 0 {
			select {
			case <-time.After(c.interval):
			case <-ctx.Done():
				_ = pipe.CloseWithError(ctx.Err()) // an end like any other would tell the server that all came
				return
			}
		}
		if _, err := pipe.Write(frame(c.message(i))); err != nil {
			return
		}
	}
}

// frame is a message that is not compressed, with its length.
func frame(message string) []byte {
	return append(binary.BigEndian.AppendUint32([]byte{0}, uint32(len(message))), message...)
}

func (r *response) readMessages(body io.Reader) error {
	for {
		var head [5]byte
		if _, err := io.ReadFull(body, head[:]); err != nil {
			if err == io.EOF {
				return nil
			}
			return err
		}
		message := make([]byte, min(binary.BigEndian.Uint32(head[1:]), 64<<20))
		if _, err := io.ReadFull(body, message); err != nil {
			return err
		}
		r.message(message)
	}
}

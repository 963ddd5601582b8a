// Go's reading of YAML documents, as Helm 3 and Kubernetes have it: the oracle of the tests.
//
// Standard input: documents, each after a line with its length in bytes. Standard output: one line for each, the
// document as JSON, or "error: " and what the reader says.
package main

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"

	"sigs.k8s.io/yaml"
)

func main() {
	in := bufio.NewReaderSize(os.Stdin, 1<<20)
	out := bufio.NewWriterSize(os.Stdout, 1<<20)
	defer out.Flush()
	for {
		line, err := in.ReadString('\n')
		if err == io.EOF {
			return
		}
		check(err)
		length, err := strconv.Atoi(strings.TrimSpace(line))
		check(err)
		document := make([]byte, length)
		_, err = io.ReadFull(in, document)
		check(err)
		fmt.Fprintln(out, reading(document))
		if in.Buffered() == 0 {
			out.Flush()
		}
	}
}

func reading(document []byte) string {
	text, err := yaml.YAMLToJSON(document)
	if err != nil {
		return "error: " + strings.ReplaceAll(err.Error(), "\n", " ")
	}
	return string(text)
}

func check(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, "go-oracle:", err)
		os.Exit(1)
	}
}

package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"flag"
	"fmt"
	"math/big"
	"os"
	"path/filepath"
	"time"
)

const lifetime = 24 * time.Hour

// certificate writes an authority of its own (ca.pem) and what it signed (cert.pem, key.pem), which serves and calls.
func certificate(arguments []string) error {
	var hosts []string
	flags := flag.NewFlagSet("certificate", flag.ContinueOnError)
	folder := flags.String("folder", "", "where to write them")
	flags.Func("host", "name that it is for (repeatable)", func(host string) error {
		hosts = append(hosts, host)
		return nil
	})
	if err := parse(flags, arguments); err != nil {
		return err
	}
	if *folder == "" || len(hosts) == 0 || flags.NArg() > 0 {
		return wrongUsage("--folder and --host are needed, and nothing else")
	}
	authority := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "mesh-app authority"},
		NotBefore: time.Now().Add(-time.Minute), NotAfter: time.Now().Add(lifetime),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	leaf := &x509.Certificate{
		SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: hosts[0]}, DNSNames: hosts,
		NotBefore: authority.NotBefore, NotAfter: authority.NotAfter, KeyUsage: x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}
	signer, key := newKey(), newKey()
	files := map[string]*pem.Block{
		"ca.pem":   {Type: "CERTIFICATE", Bytes: signed(authority, authority, signer, signer)},
		"cert.pem": {Type: "CERTIFICATE", Bytes: signed(leaf, authority, key, signer)},
	}
	secret, err := x509.MarshalPKCS8PrivateKey(key)
	check(err)
	files["key.pem"] = &pem.Block{Type: "PRIVATE KEY", Bytes: secret}
	for name, block := range files {
		// For everybody: a sidecar reads it as another user, and it is worth nothing outside the test.
		if err := os.WriteFile(filepath.Join(*folder, name), pem.EncodeToMemory(block), 0o644); err != nil {
			return err
		}
	}
	return nil
}

func newKey() *ecdsa.PrivateKey {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	check(err)
	return key
}

func signed(template, parent *x509.Certificate, key, signer *ecdsa.PrivateKey) []byte {
	made, err := x509.CreateCertificate(rand.Reader, template, parent, &key.PublicKey, signer)
	check(err)
	return made
}

// serverTLS is what a server needs whose certificate lies in the folder; `mutual` asks callers for one of the same
// authority.
func serverTLS(folder string, mutual bool) (*tls.Config, error) {
	own, err := tls.LoadX509KeyPair(filepath.Join(folder, "cert.pem"), filepath.Join(folder, "key.pem"))
	if err != nil {
		return nil, err
	}
	config := &tls.Config{Certificates: []tls.Certificate{own}, NextProtos: []string{"h2", "http/1.1"}}
	if mutual {
		config.ClientAuth = tls.RequireAndVerifyClientCert
		config.ClientCAs, err = pool(filepath.Join(folder, "ca.pem"))
	}
	return config, err
}

// pool holds the authorities of a file.
func pool(file string) (*x509.CertPool, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	authorities := x509.NewCertPool()
	if !authorities.AppendCertsFromPEM(text) {
		return nil, fmt.Errorf("%s holds no certificate", file)
	}
	return authorities, nil
}

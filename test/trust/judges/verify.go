// What Go's crypto/x509 says of chains. Reads JSON from stdin, writes a list of words to stdout.
package main

import (
	"crypto/x509"
	"encoding/json"
	"os"
)

type question struct {
	Root []byte
	// Leaf first.
	Chains [][][]byte
}

func main() {
	var asked question
	if err := json.NewDecoder(os.Stdin).Decode(&asked); err != nil {
		panic(err)
	}
	roots := x509.NewCertPool()
	root, err := x509.ParseCertificate(asked.Root)
	if err != nil {
		panic(err)
	}
	roots.AddCert(root)
	verdicts := make([]string, 0, len(asked.Chains))
	for _, chain := range asked.Chains {
		server := judge(roots, chain, x509.ExtKeyUsageServerAuth)
		client := judge(roots, chain, x509.ExtKeyUsageClientAuth)
		if server == client {
			verdicts = append(verdicts, server)
		} else {
			verdicts = append(verdicts, "mixed")
		}
	}
	if err := json.NewEncoder(os.Stdout).Encode(verdicts); err != nil {
		panic(err)
	}
}

func judge(roots *x509.CertPool, chain [][]byte, usage x509.ExtKeyUsage) string {
	intermediates := x509.NewCertPool()
	var leaf *x509.Certificate
	for index, der := range chain {
		certificate, err := x509.ParseCertificate(der)
		if err != nil {
			return "refused"
		}
		if index == 0 {
			leaf = certificate
		} else {
			intermediates.AddCert(certificate)
		}
	}
	_, err := leaf.Verify(x509.VerifyOptions{
		Roots:         roots,
		Intermediates: intermediates,
		KeyUsages:     []x509.ExtKeyUsage{usage},
	})
	if err != nil {
		return "refused"
	}
	return "ok"
}
